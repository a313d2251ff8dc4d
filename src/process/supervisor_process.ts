/**
 * The `run` that stays with a pod: its supervisor.
 *
 * It is told from other processes by its program, which is the one in this pod, and by its working
 * directory, which is the pod's.
 *
 * @module
 */

import { listProcesses, lookAtOthers, parentOf } from "../linux/proc.ts";
import { identityAt } from "../linux/stat.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { type HeldProcess, holdProcess, identityIfThere } from "./held_process.ts";

/** The value of the SIGINT by which `stop --force` asks: no handler is to start any more. */
export const BY_FORCE = 1;

/** What tells the supervisor, in the form of {@linkcode FileStatus.identity}. */
interface SupervisorIdentity {
  directory: string | undefined;
  program: string | undefined;
}

/**
 * Finds the supervisor of this pod, which may have yet to start the apps.
 *
 * @param pid The content of the `pid` file: the supervisor, or its child, the pod's pid 1. Without
 * it, all processes are looked at.
 * @returns `undefined` when there is none.
 * @throws {SyscallError} when a process cannot be looked at.
 */
export function findSupervisor(pid?: number): HeldProcess | undefined {
  const identity = supervisorIdentity();
  const isOfPod = (each: number) => isSupervisor(each, identity);
  const found = pid === undefined ? listProcesses().find(isOfPod) : supervisorOf(pid, identity);
  return found === undefined ? undefined : holdProcess(found, () => isOfPod(found));
}

/**
 * Finds the first process of a pod whose apps are supervised.
 *
 * @param pid The content of the `pid` file: the pod's pid 1, or the supervisor where it has none.
 * @returns `undefined` when that process is not this pod's, or gone.
 * @throws {SyscallError} when the process cannot be looked at.
 */
export function findFirstProcess(pid: number): HeldProcess | undefined {
  return holdProcess(pid, () => supervisorOf(pid) !== undefined);
}

/**
 * Returns the id of the process's supervisor, at this moment: the process itself, or its parent.
 *
 * @returns `undefined` when neither is this pod's supervisor.
 * @throws {SyscallError} when a process cannot be looked at.
 */
export function supervisorOf(pid: number, identity = supervisorIdentity()): number | undefined {
  return [pid, parentOf(pid)].find((each) => each !== undefined && isSupervisor(each, identity));
}

function supervisorIdentity(): SupervisorIdentity {
  return { directory: identityIfThere("."), program: identityIfThere(POD_PATHS.run) };
}

function isSupervisor(pid: number, { directory, program }: SupervisorIdentity): boolean {
  if (directory === undefined || program === undefined) return false;
  const leadsTo = (link: string) => lookAtOthers(() => identityAt(`/proc/${pid}/${link}`));
  return leadsTo("cwd") === directory && leadsTo("exe") === program;
}
