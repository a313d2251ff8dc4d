/**
 * `stop`: SIGTERM, or with `--force` SIGKILL. Where `run` has stayed with the pod, it is the one that is asked, and
 * ends the apps in their order. Elsewhere the app's process is asked, or, when that one is gone, all others of the
 * pod. By force, all of the pod is killed, whatever has become of `run` and of what it has left in the pod directory.
 *
 * @module
 */

import { killInPodCgroups } from "../cgroup/remove.ts";
import { isLocked } from "../linux/file_lock.ts";
import { POLLIN, waitForEvents } from "../linux/poll.ts";
import { listProcesses, SIGCONT, SIGKILL, signalProcess, SIGTERM } from "../linux/process.ts";
import { findAppProcesses, holdAppProcess, openAppMatcher } from "../process/app_processes.ts";
import type { HeldProcess } from "../process/held_process.ts";
import { killAppProcesses } from "../process/kill_apps.ts";
import { selfConfine } from "../process/self_confine.ts";
import { findFirstProcess, findSupervisor } from "../process/supervisor_process.ts";
import { parsePid, type StopArguments } from "../stage1/arguments.ts";
import { type Debug, debugLog } from "../stage1/log.ts";
import { listAppRoots, POD_PATHS } from "../stage1/pod_directory.ts";

/** How many milliseconds a `run` without apps has before it is killed: it takes a moment to write what it has. */
const SUPERVISOR_PATIENCE = 5_000;

/** A pod, as it is found. */
interface FoundPod {
  uuid: string;
  /** The root file systems of its apps. */
  roots: readonly string[];
  /** What it has for its process; nothing before its apps have begun. */
  pid: number | undefined;
  debug: Debug;
}

/**
 * Stops the pod. Returns as soon as the signals are sent, and by force when `run` has ended.
 *
 * @throws {Error} when no process of the pod is left.
 */
export function stopPod({ force, debug, uuid }: StopArguments): void {
  const pod = { uuid, roots: listAppRoots(), pid: readPid(), debug: debugLog("stop", debug) };
  const isDone = force ? killPod(pod) : askPod(pod);
  if (!isDone) throw new Error("no process of this pod is running");
}

/** @returns Whether there was anybody to ask. */
function askPod({ roots, pid, debug }: FoundPod): boolean {
  const leader = findLeader(roots, pid) ?? findSupervisor(pid) ?? findSupervisor();
  // A confined process cannot visit namespaces, and it takes a while.
  using apps = openAppMatcher(roots, leader ? [] : listProcesses());
  selfConfine("stop", debug);
  let asked = 0;
  for (const held of leader ? [leader] : findAppProcesses(apps)) {
    signalHeld(held, SIGTERM, debug);
    asked++;
  }
  return asked > 0;
}

/**
 * Kills what is in the pod's cgroups first: there, nobody hides, whoever has been stopped or killed meanwhile. Then
 * come the pod's first process, with which the kernel ends all others of a pod's own namespaces, and whoever else is
 * found.
 *
 * A `run` whose apps have all ended does the rest: it keeps their exit statuses, and gives the caller's terminal back.
 * Should it not come to that, it is killed in the end.
 *
 * @returns Whether there was anybody to kill.
 */
function killPod({ uuid, roots, pid, debug }: FoundPod): boolean {
  const supervisor = findSupervisor(pid) ?? findSupervisor();
  const leader = findLeader(roots, pid) ?? (pid === undefined ? undefined : findFirstProcess(pid));
  using apps = openAppMatcher(roots);
  selfConfine("stop", debug);
  const hadCgroups = killInPodCgroups(uuid, debug);
  if (leader) signalHeld(leader, SIGKILL, debug);
  // An app alone, and all that it has started, keep the pod locked for as long as they are there.
  const isOver = leader && !supervisor ? () => !isLocked(".") : undefined;
  const killed = killAppProcesses(apps, debug, isOver);
  if (supervisor) endSupervisor(supervisor, debug);
  return hadCgroups || [leader, supervisor].some((it) => it !== undefined) || killed > 0;
}

/** It may have been stopped, or wait for somebody to read what apps have written. */
function endSupervisor(supervisor: HeldProcess, debug: Debug): void {
  signalHeld(supervisor, SIGTERM, debug);
  signalHeld(supervisor, SIGCONT, debug);
  const end = { fd: supervisor.process.number, events: POLLIN };
  if (waitForEvents([end], SUPERVISOR_PATIENCE).length > 0) return;
  signalHeld(supervisor, SIGKILL, debug);
}

/** The pod's one app, if it is that which the `pid` file names. */
function findLeader(roots: readonly string[], pid: number | undefined): HeldProcess | undefined {
  if (pid === undefined) return undefined;
  using apps = openAppMatcher(roots, [pid]);
  return holdAppProcess(pid, apps);
}

function signalHeld({ pid, process }: HeldProcess, signal: number, debug: Debug): void {
  debug(`signal ${signal} to ${pid}`);
  signalProcess(process, signal);
}

function readPid(): number | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(POD_PATHS.pid);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new Error(`${POD_PATHS.pid}: cannot be read`, { cause: error });
  }
  return parsePid(text.trim());
}
