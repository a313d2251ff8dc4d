/**
 * `stop`: SIGTERM, or with `--force` SIGKILL. Where `run` has stayed with the pod, it is the one that is asked, and
 * ends the apps in their order; by force, the pod's first process is killed, and with it all the others. Elsewhere
 * the pod's first process is meant; and all others of the pod too when that one is gone already or force is asked
 * for.
 *
 * @module
 */

import { childrenOf, listProcesses, SIGKILL, signalProcess, SIGTERM } from "../linux/process.ts";
import type { StopArguments } from "../stage1/arguments.ts";
import { parsePid } from "../stage1/arguments.ts";
import { listAppRoots, POD_PATHS } from "../stage1/pod_directory.ts";
import { fenceForGood } from "./fence.ts";
import {
  type AppMarks,
  findFirstProcess,
  findMember,
  findMembers,
  findSupervisor,
  killMembersOf,
  type Member,
  openAppMarks,
} from "./members.ts";
import { type Trace, tracer } from "./trace.ts";

/**
 * Stops the pod. Returns as soon as the signals are sent.
 *
 * @throws {Error} when no process of the pod is left.
 */
export function stopPod({ force, debug }: StopArguments): void {
  const trace = tracer("stop", debug);
  const roots = listAppRoots();
  const pid = readLeader();
  const leader = pid === undefined ? undefined : findLeader(pid, roots, force);
  if (pid !== undefined && leader === undefined) {
    trace(`${pid} is gone, or not of this pod any more`);
  }
  // Visiting namespaces is behind the fence, and takes a while.
  using apps = openAppMarks(roots, leader && !force ? [] : listProcesses());
  fenceForGood("stop", trace);
  const signalled = force ? killAll(leader, apps, trace) : ask(leader, apps, trace);
  if (signalled === 0) throw new Error("no process of this pod is running");
}

/**
 * Whom to signal first: the app's process, or the supervisor, unless it is to be by force, for then nobody is left
 * to act on it.
 *
 * @param pid What the pod has for its process.
 */
function findLeader(pid: number, roots: readonly string[], force: boolean): Member | undefined {
  using ofApps = openAppMarks(roots, [pid]);
  return findMember(pid, ofApps) ?? (force ? findFirstProcess(pid) : findSupervisor(pid));
}

/** @returns How many processes have been asked to end. */
function ask(leader: Member | undefined, apps: AppMarks, trace: Trace): number {
  let asked = 0;
  for (const member of leader ? [leader] : findMembers(apps)) {
    signalMember(member, SIGTERM, trace);
    asked++;
  }
  return asked;
}

/** @returns How many processes have been killed. */
function killAll(leader: Member | undefined, apps: AppMarks, trace: Trace): number {
  if (leader) signalMember(leader, SIGKILL, trace);
  return (leader ? 1 : 0) + killMembersOf(apps, trace);
}

function signalMember({ pid, process }: Member, signal: number, trace: Trace): void {
  trace(`signal ${signal} to ${pid}`);
  signalProcess(process, signal);
}

/** The app's process, or what is known of it: the one child of a `run` that stayed behind. */
function readLeader(): number | undefined {
  const pid = readPid(POD_PATHS.pid);
  if (pid !== undefined) return pid;
  const parent = readPid(POD_PATHS.parentPid);
  return parent === undefined ? undefined : childrenOf(parent)[0];
}

function readPid(file: string): number | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new Error(`${file}: cannot be read`, { cause: error });
  }
  return parsePid(text.trim());
}
