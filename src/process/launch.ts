/**
 * How every process of a pod begins: an app, an event handler, and a command of `enter`'s.
 *
 * One list of calls, in the one safe order. A process outside of the pod makes nearly all of them:
 * it joins what the app is in, by descriptors alone, gives up what the app does not have, and
 * closes everything. Only then does its copy come into the pod's sight (`recordEntrance`), which is
 * then no more than the app is, and has only execve(2) left to do: the one call that walks a path
 * of the app's, with nothing of the host's open.
 *
 * @module
 */

import { recordJoinCgroups } from "../cgroup/tree.ts";
import type { CallScript } from "../linux/call_script.ts";
import { recordCapabilities } from "../linux/capabilities.ts";
import { recordCloseAll } from "../linux/close_all.ts";
import type { Credentials } from "../linux/credentials.ts";
import type { Fd } from "../linux/fd.ts";
import { execProcess, launchProcess, recordEntrance } from "../linux/init.ts";
import { recordOwnSessionKeyring } from "../linux/keyring.ts";
import {
  changeRoot,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  NAMESPACE_FLAGS,
  type NamespaceKind,
} from "../linux/namespaces.ts";
import { dieWithParent, makeUndumpable, resetSignals } from "../linux/process.ts";
import { takeTerminal } from "../linux/terminal.ts";
import type { PrivilegePlan } from "../plan/process/privileges.ts";
import type { LabelPlan } from "../plan/process/security_label.ts";
import { recordCallerLimits } from "../stage1/caller_limits.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { recordLabels } from "./labels.ts";
import { recordSyscallFilter, recordUser } from "./privileges.ts";

/** A program of the app's, found in its root. */
export interface Program {
  path: string;
  argv: readonly string[];
  /** `NAME=value` each. */
  environment: readonly string[];
}

/** What a process is to be, whoever becomes it. */
export interface Identity {
  /** Where the program begins: a directory of the app's. */
  workingDirectory: Fd;
  labels: LabelPlan;
  /** The host's /proc, by which the labels are asked for. */
  proc: Fd;
  credentials: Credentials;
  privileges: PrivilegePlan;
  program: Program;
}

/** What a new process of an app joins. Nothing of it is looked up by a path any more. */
export interface Surroundings {
  /** The `cgroup.procs` of each of the app's cgroups, open for writing. */
  cgroups: readonly Fd[];
  /** In the order in which they are joined; those of mounts, process ids and users are apart. */
  namespaces: readonly { kind: NamespaceKind; fd: Fd }[];
  mounts: Fd;
  root: Fd;
  /** What the process is born into: the pod's, if it has one. */
  pidNamespace: Fd | undefined;
  /** The pod's, if it has one. Joined last, as that takes the host's privileges. */
  users: Fd | undefined;
}

/** What a new process has as descriptors 0 to 2, and which session it is in. */
export interface Streams {
  fds: readonly [stdin: Fd, stdout: Fd, stderr: Fd];
  /** Whether the first one is a terminal, which the process is to control. */
  hasTerminal: boolean;
  /** Whether it stays in the session of who starts it. */
  isCallers: boolean;
}

/** A new process of an app. */
export interface Launch extends Identity, Surroundings {
  streams: Streams;
}

/**
 * Starts a process of an app.
 *
 * @returns Its process id, as this process sees it.
 * @throws {SyscallError} the first call of the list that failed.
 */
export function launch(process: Launch): number {
  return launchProcess({
    init: POD_PATHS.init,
    fds: descriptorsOf(process),
    record: (script) => recordLaunch(process, script),
  });
}

/** Records the whole list, on both sides of the entrance. */
export function recordLaunch(process: Launch, script: CallScript): void {
  const { call } = script;
  const { cgroups, streams } = process;
  resetSignals(call);
  // The files of cgroups and labels are the host's, and only its root may write to them.
  recordJoinCgroups(cgroups, script);
  recordLabels(process.labels, process.proc, script);
  // The host's root has room for as many keyrings as there are processes; a user has not.
  recordOwnSessionKeyring(script);
  recordJoin(process, script);
  recordStreams(streams, script);
  recordIdentity(process, descriptorsOf(process), script);
  recordEntrance(script);
  // From here on the process is in sight of the pod.
  recordDieWithStarter(process.pidNamespace !== undefined, script);
  if (!streams.isCallers) call("setsid");
  if (streams.hasTerminal) takeTerminal(0, call);
  recordExecute(process.program, script);
}

/**
 * Has this process become the app: the same list, but for what it has done itself. Its root is the
 * app's already.
 *
 * @param init What {@linkcode openInit} opened, while the host's root was in sight.
 * @param kept A descriptor that the program has beside 0 to 2.
 * @param describe Makes a call of the list the beginning of a line that tells of its failure.
 * @throws {SyscallError} when the list cannot be begun.
 */
export function execApp(
  identity: Identity,
  init: Fd,
  kept: Fd,
  describe: (call: string) => string,
): never {
  const fds = [identity.workingDirectory, identity.proc, kept];
  return execProcess({
    init,
    fds,
    describe,
    record: (script) => {
      resetSignals(script.call);
      recordLabels(identity.labels, identity.proc, script);
      recordOwnSessionKeyring(script);
      script.call("fchdir", identity.workingDirectory.number);
      recordIdentity(identity, fds, script, kept);
      recordExecute(identity.program, script);
    },
  });
}

/**
 * By descriptor, so that what was found in the app's root is what is used, wherever a path leads by
 * now.
 */
function recordJoin(process: Launch, { call }: CallScript): void {
  const { namespaces, mounts, root, pidNamespace, users, workingDirectory } = process;
  for (const { kind, fd } of namespaces) call("setns", fd.number, NAMESPACE_FLAGS[kind]);
  if (pidNamespace) call("setns", pidNamespace.number, CLONE_NEWPID);
  call("setns", mounts.number, CLONE_NEWNS);
  // The namespace's root may still be the host's, where that one cannot be left.
  changeRoot(root, call);
  call("fchdir", workingDirectory.number);
  if (users) call("setns", users.number, CLONE_NEWUSER);
}

function recordStreams({ fds }: Streams, { call }: CallScript): void {
  fds.forEach(({ number }, fd) => {
    if (number !== fd) call("dup3", number, fd, 0);
  });
}

/**
 * Records what makes a process no more than the app is, and ends with nothing of the host's open.
 * The order is the only one in which each step still has the privilege that it needs, and none
 * gives back what another took:
 *
 * 1. the caller's limits, which the calls up to here might have exceeded, and the filter may refuse;
 * 2. the bounding set, which takes `CAP_SETPCAP`, then groups, group and user;
 * 3. no new privileges, if need be;
 * 4. once more that nobody looks into this process, as a change of user may take that back;
 * 5. the filter, which takes `CAP_SYS_ADMIN` from who may have new privileges. What comes after it
 *    passes it;
 * 6. the capabilities that were kept so far.
 */
function recordIdentity(
  { credentials, privileges }: Identity,
  known: readonly Fd[],
  script: CallScript,
  kept?: Fd,
): void {
  const { call } = script;
  recordCloseAll(known, script, kept);
  recordCallerLimits(call);
  recordUser(privileges, credentials, call);
  makeUndumpable(call);
  recordSyscallFilter(privileges, script);
  if (privileges.capabilities && credentials.uid === 0) {
    recordCapabilities(privileges.capabilities.keep, call);
  }
}

/** In a PID namespace, who is outside of it has the number 0; who is left to its pid 1 is 1's. */
function recordDieWithStarter(isOutside: boolean, script: CallScript): void {
  dieWithParent(script.call);
  // It may have ended before.
  script.onlyAt(isOutside ? 0 : Deno.pid, "getppid");
}

/** By its path: by a descriptor, a script would have none, and a program's name be a number. */
function recordExecute({ path, argv, environment }: Program, { call }: CallScript): void {
  call("execve", path, [...argv, null], [...environment, null]);
}

function descriptorsOf(process: Launch): Fd[] {
  const all = [
    ...process.cgroups,
    ...process.namespaces.map(({ fd }) => fd),
    process.mounts,
    process.root,
    process.pidNamespace,
    process.users,
    process.workingDirectory,
    process.proc,
    ...process.streams.fds,
  ];
  const known = all.filter((fd) => fd !== undefined);
  return [...new Map(known.map((fd) => [fd.number, fd])).values()];
}
