/**
 * Compares what `explain` says of an app's process with what the kernel says of it.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import { isAttachable } from "../../src/plan/stdio.ts";
import { isThere } from "../host.ts";
import { parseStatus, readStatus } from "../procfs.ts";
import type { ExplainedApp } from "./explanation.ts";
import {
  argumentsOf,
  environmentOf,
  identityOf,
  inRootOf,
  parseArguments,
  type Seen,
  type SeenApp,
} from "./seen.ts";

/** The user and groups of a process, in the host's numbers. */
interface Ids {
  uid: number;
  gid: number;
  groups: number[];
}

/** No app can have more than this process. */
const OWN_BOUNDING_SET = BigInt(`0x${readStatus(Deno.pid)["CapBnd"]}`);

/** Checks the arguments of each app. The first may be the path at which its program was found. */
export function agreeOnPrograms({ apps }: Seen): void {
  for (const { plan, pid } of apps) {
    const [program, ...args] = plan.exec;
    const [path, ...others] = argumentsOf(pid);
    assertEquals([path?.split("/").at(-1), others], [program.split("/").at(-1), args]);
  }
}

/** Checks the variables of each app. */
export function agreeOnEnvironments({ apps }: Seen): void {
  for (const { plan, pid } of apps) {
    const { terminalType } = plan;
    const ofTerminal = terminalType === undefined ? {} : { TERM: terminalType };
    const ofAccount = accountVariables(plan);
    assertEquals(environmentOf(pid), { ...ofTerminal, ...ofAccount, ...plan.environment });
  }
}

/** The variables that a plan leaves to the app's /etc/passwd, as the tests' images have it. */
function accountVariables({ user: { user } }: ExplainedApp): Record<string, string> {
  return ["volo", "/home/volo"].includes(user)
    ? { USER: "volo", LOGNAME: "volo", HOME: "/home/volo" }
    : { USER: "root", LOGNAME: "root", HOME: "/root" };
}

/** Checks what each app is told that it is called. */
export function agreeOnNames({ apps }: Seen): void {
  assertEquals(
    apps.map(({ pid }) => environmentOf(pid)["AC_APP_NAME"]),
    apps.map(({ plan }) => plan.name),
  );
}

/** Checks where each app is. */
export function agreeOnWorkingDirectories({ apps }: Seen): void {
  for (const { plan, pid } of apps) {
    const there = inRootOf(pid, plan.workingDirectory);
    assertEquals(identityOf(`/proc/${pid}/cwd`), identityOf(there));
  }
}

/** Checks the user and groups of each app, in the host's numbers. */
export function agreeOnIds({ apps }: Seen): void {
  for (const app of apps) assertEquals(idsIn(readStatus(app.pid)), idsOf(app));
}

/** Checks what root may do in each app. */
export function agreeOnCapabilities({ apps }: Seen): void {
  for (const { plan, pid } of apps) assertCapabilities(readStatus(pid), plan);
}

/** Checks whether each app can gain privileges. */
export function agreeOnNewPrivileges({ apps }: Seen): void {
  for (const { plan, pid } of apps) {
    const { noNewPrivileges, seccomp } = plan.isolators.privileges;
    const status = readStatus(pid);
    const isRoot = idsIn(status).uid === (plan.ids?.shift ?? 0);
    const expected = noNewPrivileges || (seccomp !== undefined && !isRoot);
    assertEquals(status["NoNewPrivs"], expected ? "1" : "0");
  }
}

/** Checks whether each app has a filter of system calls. */
export function agreeOnFilters({ apps }: Seen): void {
  for (const { plan, pid } of apps) assertFilter(readStatus(pid), plan);
}

/** Checks how ready the kernel is to kill each app for memory. */
export function agreeOnOomScores({ apps }: Seen): void {
  const usual = Deno.readTextFileSync("/proc/self/oom_score_adj").trim();
  for (const { plan, pid } of apps) {
    const score = Deno.readTextFileSync(`/proc/${pid}/oom_score_adj`).trim();
    assertEquals(score, `${plan.isolators.oomScore?.value ?? usual}`);
  }
}

const STREAMS = ["stdin", "stdout", "stderr"] as const;

/** Checks which signal `stop` is told to send to an app that `run` became. */
export function agreeOnStopSignal({ apps, pod }: Seen): void {
  const [app] = apps;
  const { processes: [process] } = JSON.parse(Deno.readTextFileSync(`${pod.dir}/processes`));
  assertEquals([process.pid, process.stopSignal], [app!.pid, app!.plan.stop.signal]);
  assertEquals(process.stopSignal, 3);
}

/**
 * Checks where streams lead: to a device, to where those of `run` lead, or to a pipe of its own.
 */
export function agreeOnStreams({ apps, pod, program }: Seen): void {
  for (const { plan, pid } of apps) {
    STREAMS.forEach((stream, fd) => {
      const path = `/proc/${pid}/fd/${fd}`;
      const target = plan.stdio[stream];
      const [major, minor] = deviceAt(path);
      switch (target) {
        case "null":
          return assertEquals([major, minor], [1, 3]);
        case "console":
        case "tty":
        case "shared-tty":
          return assertEquals(major, 136);
        default: {
          const link = Deno.readLinkSync(path);
          assertMatch(link, /^(pipe|socket):/);
          const ofRun = Deno.readLinkSync(`/proc/${program.pid}/fd/${fd}`);
          assertEquals(link === ofRun, target === "caller", stream);
        }
      }
    });
    const log = `${pod.dir}/log/${plan.name}.log`;
    const logged = [plan.stdio.stdout, plan.stdio.stderr];
    const isLogged = logged.some((target) => target === "log" || isAttachable(target));
    if (isLogged) assertMatch(Deno.readTextFileSync(log), /\bup$/m);
    else assertEquals(isThere(log), false);
  }
}

/** Returns a handler that leaves what it is in the volume that its app has at /seen. */
export function handler(name: string): string[] {
  const keep = (file: string) => `cat /proc/$$/${file} >/seen/${name}.${file}`;
  return ["/bin/sh", "-c", `${keep("cmdline")}; ${keep("status")}`];
}

/**
 * Checks what a handler has left of itself.
 *
 * @param name `before` for a pre-start handler, `after` for a post-stop handler.
 */
export function agreeOnHandler(
  { apps, pod }: Seen,
  name: "before" | "after",
): void {
  const app = apps.find((it) => it.plan.preStart)!;
  const planned = name === "before" ? app.plan.preStart : app.plan.postStop;
  const read = (file: string) =>
    Deno.readTextFileSync(`${pod.dir}/sharedVolumes/seen/${name}.${file}`);
  const status = parseStatus(read("status"));
  assertEquals(parseArguments(read("cmdline")), planned!.exec);
  const root = { uid: 0, gid: 0, groups: [0] };
  assertEquals(idsIn(status), planned!.asRoot ? root : idsOf(app));
  assertCapabilities(status, app.plan);
  assertFilter(status, app.plan);
}

function assertCapabilities(
  status: Record<string, string>,
  { isolators, ids }: ExplainedApp,
): void {
  const { capabilities } = isolators.privileges;
  const bounding = capabilities ? maskOf(capabilities.keep) & OWN_BOUNDING_SET : OWN_BOUNDING_SET;
  const isRoot = idsIn(status).uid === (ids?.shift ?? 0);
  const sets = ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"];
  const own = isRoot ? bounding : 0n;
  assertEquals(
    sets.map((name) => BigInt(`0x${status[name]}`)),
    [bounding, own, own, 0n, 0n],
  );
}

function assertFilter(status: Record<string, string>, { isolators }: ExplainedApp): void {
  assertEquals(status["Seccomp"], isolators.privileges.seccomp ? "2" : "0");
}

/** The kernel numbers capabilities in the order of this list. */
function maskOf(names: readonly string[]): bigint {
  return names.map((name) => CAPABILITIES.findIndex((it) => it === name))
    .reduce((mask, bit) => mask | 1n << BigInt(bit), 0n);
}

function idsIn(status: Record<string, string>): Ids {
  const ids = (name: string) => status[name]!.split(/\s+/).filter(Boolean).map(Number);
  const [uid, ...uids] = ids("Uid");
  const [gid, ...gids] = ids("Gid");
  assert([...uids].every((id) => id === uid) && gids.every((id) => id === gid));
  return { uid: uid!, gid: gid!, groups: ids("Groups") };
}

/** What the plan's words come to in the app's own files. */
function idsOf({ plan: { user, ids }, pid }: SeenApp): Ids {
  const shift = ids?.shift ?? 0;
  const uid = shift + findId(pid, "/etc/passwd", user.user, "uid") - shiftOf(user.user, shift);
  const gid = shift + findId(pid, "/etc/group", user.group, "gid") - shiftOf(user.group, shift);
  const others = user.supplementaryGIDs.map((id) => shift + id);
  return { uid, gid, groups: [gid, ...others].toSorted((a, b) => a - b) };
}

/** The owner of a path is known in the host's numbers. */
function shiftOf(name: string, shift: number): number {
  return name.startsWith("/") ? shift : 0;
}

function findId(pid: number, file: string, name: string, kind: "uid" | "gid"): number {
  if (name.startsWith("/")) return Deno.statSync(inRootOf(pid, name))[kind]!;
  if (/^\d+$/.test(name)) return Number(name);
  const lines = Deno.readTextFileSync(inRootOf(pid, file)).split("\n").map((it) => it.split(":"));
  return Number(lines.find(([first]) => first === name)![2]);
}

/** glibc's makedev(3). */
function deviceAt(path: string): [major: number, minor: number] {
  const { rdev } = Deno.statSync(path);
  return [(rdev ?? 0) >> 8 & 0xfff, (rdev ?? 0) & 0xff];
}
