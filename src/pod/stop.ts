/**
 * `stop`: asks a pod to end, or with `--force` kills it.
 *
 * SIGTERM goes to the pod's supervisor, which ends the apps. In a pod without one, the app's own
 * stop signal goes to the app's process or, when that process is gone, to all others of the pod. By
 * force, every process of the pod is killed, whatever has become of `run` and of its files in the
 * pod directory.
 *
 * @module
 */

import { describeHiddenCgroups, killInPodCgroups } from "../cgroup/remove.ts";
import { isLocked } from "../linux/file_lock.ts";
import { signalProcess } from "../linux/pidfd.ts";
import { POLLIN, waitForEvents } from "../linux/poll.ts";
import { listProcesses } from "../linux/proc.ts";
import { SIGCONT, SIGINT, SIGKILL, SIGTERM } from "../linux/signal_numbers.ts";
import { findAppProcesses, holdAppProcess, openAppMatcher } from "../process/app_processes.ts";
import type { HeldProcess } from "../process/held_process.ts";
import { killAppProcesses } from "../process/kill_apps.ts";
import { selfConfine } from "../process/self_confine.ts";
import { BY_FORCE, findFirstProcess, findSupervisor } from "../process/supervisor_process.ts";
import { listAppRoots } from "../stage1/app_roots.ts";
import { parsePid, type StopArguments } from "../stage1/arguments.ts";
import { type Debug, debugLog, warn } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { loadProcesses, type RecordedProcess, stopSignalIn } from "../stage1/processes_file.ts";

/**
 * How many milliseconds a supervisor whose apps have ended has before it is killed. It still passes
 * on their output.
 */
const SUPERVISOR_PATIENCE = 5_000;

/** The pod as `stop` finds it. */
interface FoundPod {
  uuid: string;
  /** The root file systems of its apps. */
  roots: readonly string[];
  /** The content of the `pid` file; `undefined` before the pod has begun. */
  pid: number | undefined;
  /** The processes that its apps began with. */
  recorded: readonly RecordedProcess[];
  debug: Debug;
}

/**
 * Stops the pod. Returns as soon as the signals are sent, and by force when `run` has ended.
 *
 * @throws {Error} when no process of the pod is found although it has not ended.
 */
export function stopPod({ force, debug, uuid }: StopArguments): void {
  const pod = {
    uuid,
    roots: listAppRoots(),
    pid: readPid(),
    recorded: loadProcesses(),
    debug: debugLog("stop", debug),
  };
  const isDone = force ? killPod(pod) : askPod(pod);
  if (!isDone && !hasEnded(pod)) throw new Error("no process of this pod is running");
}

/** Tells whether the pod has begun, and is over by now: stage0 may have looked a moment before. */
function hasEnded({ pid }: FoundPod): boolean {
  return pid !== undefined && !isLocked(".");
}

/** Sends a signal that asks. Tells whether there was a process to send it to. */
function askPod(pod: FoundPod): boolean {
  const { roots, pid, recorded, debug } = pod;
  const app = findLeader(pod);
  const supervisor = app ? undefined : findSupervisor(pid) ?? findSupervisor();
  const leader = app ?? supervisor;
  const signal = supervisor ? SIGTERM : stopSignalIn(recorded);
  // A confined process cannot visit namespaces, and it takes a while.
  using apps = openAppMatcher(roots, recorded, leader ? [] : listProcesses());
  selfConfine("stop", debug);
  let asked = 0;
  for (const held of leader ? [leader] : findAppProcesses(apps)) {
    signalHeld(held, signal, debug);
    // A process that has been stopped, by a shell for example, would be asked when it goes on.
    signalHeld(held, SIGCONT, debug);
    asked++;
  }
  return asked > 0;
}

/**
 * Kills the pod, in three steps, once its supervisor knows: the processes in its cgroups, where the
 * kernel misses none; its first process, with which the kernel ends all others in the pod's PID
 * namespace; and all other processes of its apps.
 *
 * The supervisor does the rest when its apps have ended: it saves their exit statuses, and gives
 * the caller's terminal back. If it does not end by itself, it is killed at last.
 *
 * @returns Whether there was a process to kill.
 */
function killPod(pod: FoundPod): boolean {
  const { uuid, roots, pid, recorded, debug } = pod;
  const supervisor = findSupervisor(pid) ?? findSupervisor();
  const leader = findLeader(pod) ?? (pid === undefined ? undefined : findFirstProcess(pid));
  using apps = openAppMatcher(roots, recorded);
  selfConfine("stop", debug);
  // Before any app ends, so that the supervisor starts no post-stop handler of it. A SIGTERM would
  // be lost, where one of an earlier `stop` is still pending.
  if (supervisor) signalHeld(supervisor, SIGINT, debug, BY_FORCE);
  const hadCgroups = killInPodCgroups(uuid, debug);
  for (const line of describeHiddenCgroups(uuid)) warn("stop", line);
  if (leader) signalHeld(leader, SIGKILL, debug);
  // In a pod without a supervisor, the app and what it has started keep the pod locked.
  const isOver = leader && !supervisor ? () => !isLocked(".") : undefined;
  const killed = killAppProcesses(apps, debug, isOver);
  if (supervisor) endSupervisor(supervisor, debug);
  return hadCgroups || [leader, supervisor].some((it) => it !== undefined) || killed > 0;
}

/** The supervisor may have been stopped, or wait for a reader of what apps have written. */
function endSupervisor(supervisor: HeldProcess, debug: Debug): void {
  signalHeld(supervisor, SIGCONT, debug);
  const end = { fd: supervisor.process.number, events: POLLIN };
  if (waitForEvents([end], SUPERVISOR_PATIENCE).length > 0) return;
  signalHeld(supervisor, SIGKILL, debug);
}

/** Finds the process of an app that the `pid` file names, if it names one. */
function findLeader({ roots, pid, recorded }: FoundPod): HeldProcess | undefined {
  if (pid === undefined) return undefined;
  using apps = openAppMatcher(roots, recorded, [pid]);
  return holdAppProcess(pid, apps);
}

function signalHeld(
  { pid, process }: HeldProcess,
  signal: number,
  debug: Debug,
  value?: number,
): void {
  debug(`signal ${signal} to ${pid}`);
  signalProcess(process, signal, value);
}

function readPid(): number | undefined {
  let text: string;
  try {
    text = Deno.readTextFileSync(POD_PATHS.pid);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new Error(`${POD_PATHS.pid}: cannot be read`, { cause: error });
  }
  return parsePid(text.trim(), POD_PATHS.pid);
}
