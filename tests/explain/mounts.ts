/**
 * Compares what `explain` says of an app's root with the mounts that the kernel shows of its
 * process.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { expandPath, type MaskedPath } from "../../src/plan/rootfs/masked_paths.ts";
import type { MountStep } from "../../src/plan/rootfs/mount_steps.ts";
import { type Mount, readMounts } from "../procfs.ts";
import { identityOf, inRootOf, mountAt, normalize, type Seen, type SeenApp } from "./seen.ts";

/** A step of one kind. */
type Step<K extends MountStep["kind"]> = Extract<MountStep, { kind: K }>;

/** Checks that each app's root is the directory of the plan, and read-only if the plan says so. */
export function agreeOnRoots({ apps, pod }: Seen): void {
  for (const { plan, pid } of apps) {
    assertEquals(identityOf(`/proc/${pid}/root/`), identityOf(`${pod.dir}/${plan.rootfs}`));
    const { options } = mountAt(pid, "/");
    assertAccess(options, plan.readOnlyRoot, "/");
    assertEquals(options.includes("nodev"), plan.noDevices);
  }
}

/**
 * Checks volumes.
 *
 * @param asked Matches the field that asks for each of them.
 */
export function agreeOnVolumes(seen: Seen, asked: RegExp): void {
  const found = seen.apps.flatMap((app) =>
    stepsOf(app, "bind").filter(({ field }) => asked.test(field)).map((step) => ({ app, step }))
  );
  assert(found.length > 0, `no volume that ${asked} asks for`);
  for (const { app, step } of found) assertBind(seen, app, step);
}

/** Checks that directories of `empty` volumes whose paths match are as the plan says. */
export function agreeOnDirectories({ apps, pod }: Seen, name: RegExp): void {
  const directories = apps.flatMap(({ plan }) => plan.directories)
    .filter(({ path }) => name.test(path));
  assert(directories.length > 0, `no directory like ${name}`);
  for (const { path, mode, uid, gid } of directories) {
    const status = Deno.statSync(`${pod.dir}/${path}`);
    assertEquals([status.mode! & 0o7777, status.uid, status.gid], [mode, uid, gid]);
  }
}

/** Checks that what an image keeps in its place is a mount of its own. */
export function agreeOnRebinds({ apps, pod }: Seen): void {
  const found = apps.flatMap((app) => stepsOf(app, "rebind").map((step) => ({ app, step })));
  assert(found.length > 0, "nothing stays in its place");
  for (const { app: { plan, pid }, step: { target, readOnly } } of found) {
    assertAccess(mountAt(pid, target).options, readOnly, target);
    const inImage = `${pod.dir}/${plan.rootfs}${target}`;
    assertEquals(identityOf(inRootOf(pid, target)), identityOf(inImage));
  }
}

/** Checks that all mounts of the plan are there, and that there are no others. */
export function agreeOnMounts(seen: Seen): void {
  for (const app of seen.apps) {
    for (const step of stepsOf(app, "bind")) assertBind(seen, app, step);
    for (const step of stepsOf(app, "tmpfs")) assertTmpfs(app, step);
    for (const step of stepsOf(app, "host-tree")) assertHostTree(app, step);
    for (const step of stepsOf(app, "pod-tree")) assertPodTree(seen, app, step);
    for (const step of stepsOf(app, "cgroup")) assertCgroup(app, step);
    for (const { target } of stepsOf(app, "directory")) {
      assert(Deno.statSync(inRootOf(app.pid, target)).isDirectory, target);
    }
    for (const step of stepsOf(app, "file")) {
      assertEquals(Deno.readTextFileSync(inRootOf(app.pid, step.target)), step.text);
    }
    assertNoOthers(app);
  }
}

/** Checks which paths of the kernel are hidden or read-only, for each app and for pid 1. */
export function agreeOnMasks({ apps, plan, first }: Seen): void {
  for (const app of apps) assertMasks(app.pid, [...stepsOf(app, "mask"), ...plan.maskedPaths]);
  if (first !== undefined) assertMasks(first, plan.maskedPaths);
}

function stepsOf<K extends MountStep["kind"]>({ plan }: SeenApp, kind: K): Step<K>[] {
  return plan.mounts.filter((step): step is Step<K> => step.kind === kind);
}

function assertBind({ pod }: Seen, { pid }: SeenApp, step: Step<"bind">): void {
  const { source, target, readOnly, noDevices, propagation, recursive } = step;
  const onHost = source.startsWith("/") ? source : `${pod.dir}/${source}`;
  assertEquals(identityOf(inRootOf(pid, target)), identityOf(onHost), target);
  const { options, propagation: peers } = mountAt(pid, target);
  assertAccess(options, readOnly, target);
  assertEquals(options.includes("nodev"), noDevices, `nodev of ${target}`);
  if (propagation === "private") assertEquals(peers, [], `peers of ${target}`);
  const below = (mounts: Mount[], path: string) =>
    mounts.filter((mount) => mount.path.startsWith(`${normalize(path)}/`))
      .map((mount) => mount.path.slice(normalize(path).length));
  const expected = recursive ? below(readMounts(), Deno.realPathSync(onHost)) : [];
  assertEquals(below(readMounts(pid), target), expected, `mounts below ${target}`);
}

function assertTmpfs({ pid }: SeenApp, step: Step<"tmpfs">): void {
  const { type, options, superOptions } = mountAt(pid, step.target);
  assertEquals(type, "tmpfs");
  assertAccess(options, false, step.target);
  const said = Object.fromEntries(superOptions.map((option) => option.split("=")));
  for (const [name, value] of Object.entries(step.options)) {
    assertOption(name, value, said[name]);
  }
}

/** The kernel tells sizes in kilobytes, and leaves out a mode that is the usual one. */
function assertOption(name: string, value: string, said: string | undefined): void {
  if (name === "mode" && said === undefined) return assertEquals(value, "1777");
  const bytes = value.endsWith("%")
    ? totalMemory() * parseInt(value) / 100
    : parseInt(value) * (value.endsWith("k") ? 1024 : 1);
  const unit = said?.endsWith("k") ? 1024 : 1;
  const is = parseInt(said ?? "") * unit;
  assert(Math.abs(is - bytes) <= bytes / 100, `${name}=${said} is not ${value}`);
}

function totalMemory(): number {
  const [, kilobytes] = Deno.readTextFileSync("/proc/meminfo").match(/^MemTotal: *(\d+) kB$/m)!;
  return Number(kilobytes) * 1024;
}

function assertHostTree({ pid }: SeenApp, { target }: Step<"host-tree">): void {
  assertEquals(identityOf(inRootOf(pid, target)), identityOf(target), target);
}

function assertPodTree({ first }: Seen, { pid }: SeenApp, step: Step<"pod-tree">): void {
  const { source, target, readOnly } = step;
  assertEquals(identityOf(inRootOf(pid, target)), identityOf(inRootOf(first!, source)), target);
  assertAccess(mountAt(pid, target).options, readOnly, target);
}

function assertCgroup({ pid }: SeenApp, { source, target }: Step<"cgroup">): void {
  assertEquals(identityOf(inRootOf(pid, target)), identityOf(source), target);
  assertAccess(mountAt(pid, target).options, true, target);
}

function assertAccess(options: string[], readOnly: boolean, path: string): void {
  assertEquals(options.includes("ro"), readOnly, `${path}: ${options}`);
}

/** What the plan does not name comes along with what it names. */
function assertNoOthers({ plan, pid }: SeenApp): void {
  const known = plan.mounts.map(({ target }) => normalize(target));
  const isKnown = (path: string) =>
    path === "/" || known.some((it) => path === it || path.startsWith(`${it}/`));
  assertEquals(readMounts(pid).map(({ path }) => path).filter((path) => !isKnown(path)), []);
}

function assertMasks(pid: number, masks: readonly MaskedPath[]): void {
  const list = (directory: string) => listIfThere(inRootOf(pid, directory)) ?? [];
  // What is hidden with the directory that it is in is not there any more.
  const found = masks.flatMap(({ target, access }) =>
    expandPath(target, list).filter((path) => isThere(pid, path)).map((path) => ({ path, access }))
  );
  assertEquals(found.length > 0, masks.length > 0, "masks");
  for (const { path, access } of found) {
    assertAccess(mountAt(pid, path).options, access !== "read-write", path);
    if (access === "hidden") assertHidden(inRootOf(pid, path));
  }
}

/** Of /sys/fs, the place where cgroups are is left. */
function assertHidden(path: string): void {
  const left = listIfThere(path) ?? Deno.readTextFileSync(path);
  assert(left.length === 0 || `${left}` === "cgroup", `${path} is not hidden: ${left}`);
}

/** The names in a directory, if it is one. */
function listIfThere(path: string): string[] | undefined {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch {
    return undefined;
  }
}

function isThere(pid: number, path: string): boolean {
  try {
    Deno.lstatSync(inRootOf(pid, path));
    return true;
  } catch {
    return false;
  }
}
