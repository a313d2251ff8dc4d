/**
 * The processes of a pod whose `run` supervises it.
 *
 * @module
 */

import { parseEnviron } from "./expect.ts";
import { eventually } from "./host.ts";
import { childrenOf, readProcesses } from "./procfs.ts";
import type { Pod, Program, RunOptions } from "./stage0.ts";

/** Every kind of namespace. */
export const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] as const;

/** Starts a pod and waits until each of its apps has printed `up`. */
export async function startUp(pod: Pod, apps = 1, options: RunOptions = {}): Promise<Program> {
  const program = await pod.start(options);
  await eventually("every app", () => {
    if (program.ended) throw new Error(`ended before its apps were up: ${program.stderr}`);
    return program.stdout.match(/\bup$/gm)?.length === apps;
  });
  return program;
}

/** Returns the host's PID of an app's process that `run` started. */
export function processOf({ pid }: Program, app = "app"): number {
  const found = childrenOf(pid).find((child) => nameIn(child.pid) === app);
  if (found === undefined) throw new Error(`run has no process of the app ${app}`);
  return found.pid;
}

/** Reads the app's name from a process's environment; the pod's first process has none. */
function nameIn(pid: number): string | undefined {
  return parseEnviron(Deno.readTextFileSync(`/proc/${pid}/environ`))["AC_APP_NAME"];
}

/** Lists the kinds of namespace that two processes share. */
export function sharedNamespaces(one: number | "self", other: number | "self"): string[] {
  const of = (pid: number | "self", kind: string) => Deno.readLinkSync(`/proc/${pid}/ns/${kind}`);
  return NAMESPACES.filter((kind) => of(one, kind) === of(other, kind));
}

/**
 * Lists the minders of a pod, which are in its supervisor's mount namespace. Files of tests have
 * one each, so pods of other files have no part in that.
 */
export function mindersOf({ pid }: Program): number[] {
  const mounts = Deno.readLinkSync(`/proc/${pid}/ns/mnt`);
  return readProcesses().map((it) => it.pid).filter((minder) => isMinderIn(mounts, minder));
}

/** Processes of others may come and go meanwhile. */
function isMinderIn(mounts: string, pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`) === "volo-minder\n" &&
      Deno.readLinkSync(`/proc/${pid}/ns/mnt`) === mounts;
  } catch {
    return false;
  }
}

/** Signals a process, and tells whether it was still there. */
export function signalIfThere(pid: number, signal: Deno.Signal): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
