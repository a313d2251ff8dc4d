/**
 * The check that a test leaves nothing behind: mounts, processes, files, and cgroups.
 *
 * @module
 */

import { findPodCgroups } from "./pod_cgroups.ts";
import {
  isAlive,
  type Mount,
  pathsHeldBy,
  pidsSinceTestsBegan,
  type Process,
  readMounts,
  readProcess,
} from "./procfs.ts";

/** What tests can change of the machine. */
export interface Traces {
  /** Mounts of the tests' namespace. */
  mounts: Set<string>;
  /** Processes that the tests started. */
  processes: Map<number, string>;
  /** Files of the temporary directory. */
  files: Set<string>;
  /** Cgroups of the tests' pods. */
  cgroups: Set<string>;
}

/**
 * Records what tests can change of the machine.
 *
 * @param pods The UUIDs of their pods: other tests on this machine have cgroups, too.
 */
export function takeTraces(tempDir: string, pods: readonly string[] = []): Traces {
  return {
    mounts: new Set(readMounts().map(describeMount)),
    processes: new Map(ownProcesses(tempDir).map(({ pid, argv }) => [pid, argv.join(" ")])),
    files: new Set([...Deno.readDirSync(tempDir)].map(({ name }) => `${tempDir}/${name}`)),
    cgroups: new Set(findPodCgroups(pods)),
  };
}

/** Lists what is new or gone since the first record, one line each. */
export function compareTraces(before: Traces, after: Traces): string[] {
  return [
    ...[...after.mounts].filter((mount) => !before.mounts.has(mount)).map((it) => `mount: ${it}`),
    ...[...before.mounts].filter((mount) => !after.mounts.has(mount)).map((it) =>
      `unmounted: ${it}`
    ),
    ...newProcesses(before, after).map(([pid, line]) => `process ${pid}: ${line}`),
    ...[...after.files].filter((file) => !before.files.has(file)).map((it) => `file: ${it}`),
    ...[...after.cgroups].filter((path) => !before.cgroups.has(path)).map((it) => `cgroup: ${it}`),
  ];
}

/** Lists new processes, which have outlived the program that started them. */
export function newProcesses(before: Traces, after: Traces): [pid: number, line: string][] {
  return [...after.processes].filter(([pid]) => !before.processes.has(pid) && isAlive(pid));
}

/**
 * Describes a mount without the numbers of its peer groups, which differ each time; whether it has
 * a peer group matters.
 */
function describeMount({ id, path, propagation }: Mount): string {
  const kinds = propagation.map((group) => group.split(":")[0]);
  return `${path} (${[`mount ${id}`, ...kinds].join(", ")})`;
}

/**
 * Lists processes that the tests started, and orphans that hold a file of the temporary directory.
 */
function ownProcesses(tempDir: string): Process[] {
  const read = pidsSinceTestsBegan().map(readProcess).filter((process) => process !== undefined);
  const all = new Map(read.map((process) => [process.pid, process]));
  return [...all.values()].filter((process) =>
    process.pid !== Deno.pid && (isDescendant(process, all) || holdsAny(process, tempDir))
  );
}

function isDescendant({ parent }: Process, all: ReadonlyMap<number, Process>): boolean {
  if (parent === Deno.pid) return true;
  const process = all.get(parent);
  return process !== undefined && isDescendant(process, all);
}

function holdsAny({ pid }: Process, dir: string): boolean {
  return pathsHeldBy(pid).some((path) => path === dir || path.startsWith(`${dir}/`));
}
