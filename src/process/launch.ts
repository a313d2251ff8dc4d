/**
 * The launch of every process of a pod: an app, an event handler, and a command of `enter`.
 *
 * One list of system calls, in the one safe order: {@linkcode recordSteps}. A process outside of
 * the pod makes nearly all of them: it joins the app by descriptors alone, gives up what the app
 * does not have, and closes everything. Only then does its copy come into the pod's sight
 * (`recordEntrance`). The copy is no more than the app is, and has only execve(2) left to do: the
 * one call that walks a path of the app's, with nothing of the host's open but sockets that the app
 * is given. With these, it also asks /proc for its own id.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import type { CallScript } from "../linux/call_script.ts";
import { limitBoundingSet, recordCapabilities } from "../linux/capability_sets.ts";
import { recordJoinCgroups } from "../linux/cgroup.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  NAMESPACE_FLAGS,
  type NamespaceKind,
} from "../linux/clone_flags.ts";
import { recordCloseAll } from "../linux/close_all.ts";
import { type Credentials, takeCredentials } from "../linux/credentials.ts";
import { ERRNO } from "../linux/errno.ts";
import { AT_FDCWD, type Fd, FIRST_FD, keepAcrossExec } from "../linux/fd.ts";
import { execProcess, launchProcess, recordEntrance } from "../linux/init.ts";
import { recordOwnSessionKeyring } from "../linux/keyring.ts";
import type { Call } from "../linux/libc.ts";
import { changeRoot } from "../linux/namespaces.ts";
import { dieWithParent, makeUndumpable } from "../linux/process.ts";
import { type LaterResult, Within } from "../linux/script_format.ts";
import { setNoNewPrivileges } from "../linux/seccomp.ts";
import { restoreSignals } from "../linux/signal_actions.ts";
import { takeTerminal } from "../linux/terminal.ts";
import { encodeText, quoteText } from "../linux/text.ts";
import type { PrivilegePlan } from "../plan/process/privileges.ts";
import type { LabelPlan } from "../plan/process/security_label.ts";
import { recordCallerLimits } from "../stage1/caller_limits.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { recordLabels } from "./labels.ts";
import { needsNoNewPrivileges, recordSyscallFilter } from "./privileges.ts";

/** A file of the app's, and what it is executed with. */
export interface ProgramFile {
  path: string;
  argv: readonly string[];
  /** Why the kernel will not execute it, as far as was seen: the predicate of a sentence. */
  obstacle: string | undefined;
}

/** A program that was found in the app's root. */
export interface Program {
  /** The first of these that the kernel executes is the program. There is at least one. */
  files: readonly ProgramFile[];
  /** `NAME=value` each. */
  environment: readonly string[];
}

/** The errors after which exec(3) tries the next file of a program's name. */
const NEXT_FILE_ERRORS = [
  ERRNO.EACCES,
  ERRNO.ENOENT,
  ERRNO.ENOTDIR,
  ERRNO.ENODEV,
  ERRNO.ESTALE,
  ERRNO.ETIMEDOUT,
];

/** What a process of an app is, whether it is a new one or `run` becomes it. */
export interface Identity {
  /** Where the program begins: a directory of the app's. */
  workingDirectory: Fd;
  labels: LabelPlan;
  /** The host's /proc, by which the labels are requested. */
  proc: Fd;
  credentials: Credentials;
  privileges: PrivilegePlan;
  program: Program;
  /** The sockets that the program is given, if it is given any. */
  activation?: Activation | undefined;
  /** Signals that it hears also where the caller ignores them. */
  heard?: readonly number[];
}

/** Sockets for a program, and what its variables say of them: sd_listen_fds(3). */
export interface Activation {
  /** In the order of their numbers, all from 3 on: as `run` was given them. */
  sockets: readonly Fd[];
  names: readonly string[];
}

/** The app that a new process joins, all of it open: no path is looked up any more. */
export interface JoinedApp {
  /** The `cgroup.procs` of each of the app's cgroups, open for writing. */
  cgroups: readonly Fd[];
  /** Joined in this order. The namespaces of mounts, process ids and users are apart. */
  namespaces: readonly { kind: NamespaceKind; fd: Fd }[];
  mounts: Fd;
  root: Fd;
  /** The pod's PID namespace, if it has one. The process is born into it. */
  pidNamespace: Fd | undefined;
  /** The pod's user namespace, if it has one. */
  users: Fd | undefined;
}

/** The descriptors 0 to 2 of a new process, and the session that it is in. */
export interface LaunchStreams {
  fds: readonly [stdin: Fd, stdout: Fd, stderr: Fd];
  /** Whether the first one is a terminal, which the process is to control. */
  hasTerminal: boolean;
  /** Whether the process stays in the session of its starter. */
  isCallers: boolean;
}

/** What a new process needs beside its identity; `run`, which becomes an app, has it already. */
export interface NewProcess extends JoinedApp {
  /** Whether it makes a cgroup namespace, in which the cgroups that it joins are the first. */
  ownCgroupNamespace: boolean;
  streams: LaunchStreams;
}

/** A new process of an app. */
export interface Launch extends Identity, NewProcess {}

/** The ids of a minder, which becomes the parent of a new process, as two calls expect them. */
export interface MinderIds {
  /** Of the process that prepares the new one. */
  ofPreparer: LaterResult;
  /** Of the new process, if it is in the minder's PID namespace. */
  ofProcess: LaterResult;
}

/** The descriptors that a process begins with beside 0 to 2. */
interface OpenAtBegin {
  known: readonly Fd[];
  /** The one that the program keeps beside sockets, if it keeps one. */
  kept?: Fd;
}

/**
 * Starts a process of an app.
 *
 * @returns Its process id, as this process sees it.
 * @throws {SyscallError} when a call of the list fails: the first one that did.
 */
export function launch(process: Launch): number {
  return launchProcess({
    init: POD_PATHS.init,
    fds: descriptorsOf(process),
    record: (script) => recordLaunch(process, script),
  });
}

/**
 * Has this process become the app, by the list of a new process without the steps that `run` has
 * taken itself. Its root is the app's already.
 *
 * @param init What {@linkcode openInit} opened, while the host's root was in sight.
 * @param kept A descriptor that the program has beside 0 to 2.
 * @param describe Makes a call of the list, in words, the beginning of a line that tells of its
 * failure.
 * @throws {SyscallError} when the list cannot be begun.
 */
export function execApp(
  identity: Identity,
  init: Fd,
  kept: Fd,
  describe: (call: string, name: string) => string,
): never {
  const sockets = identity.activation?.sockets ?? [];
  const fds = [identity.workingDirectory, identity.proc, kept, ...sockets];
  const record = (script: CallScript) => recordExec(identity, kept, script);
  return execProcess({ init, fds, describe, record });
}

/** Records the list of a new process. */
export function recordLaunch(process: Launch, script: CallScript): void {
  recordSteps(process, process, { known: descriptorsOf(process) }, script);
}

/**
 * Records the list of a new process that becomes the child of a minder.
 *
 * @param known The descriptors that it begins with beside those of the launch.
 */
export function recordMindedLaunch(
  process: Launch,
  minder: MinderIds,
  known: readonly Fd[],
  script: CallScript,
): void {
  recordSteps(process, process, { known: [...descriptorsOf(process), ...known] }, script, minder);
}

/** Records the list of this process, which becomes an app and keeps one descriptor. */
export function recordExec(identity: Identity, kept: Fd, script: CallScript): void {
  const sockets = identity.activation?.sockets ?? [];
  const known = [identity.workingDirectory, identity.proc, ...sockets];
  recordSteps(identity, undefined, { known, kept }, script);
}

/**
 * Records the list. Its order is the only one in which each step still has the privilege that it
 * needs, and no step takes back what an earlier one did.
 *
 * @param joined What a new process joins; `undefined` for this process, which becomes the app.
 */
function recordSteps(
  { workingDirectory, labels, proc, credentials, privileges, program, activation, heard }: Identity,
  joined: NewProcess | undefined,
  { known, kept }: OpenAtBegin,
  script: CallScript,
  minder?: MinderIds,
): void {
  const { call } = script;

  restoreSignals(call, heard);
  // The files of cgroups and labels are the host's, and only its root may write to them.
  if (joined) recordJoinCgroups(joined.cgroups, script);
  recordLabels(labels, proc, script);
  // The host's root may have a keyring for each process. A user's quota is smaller.
  recordOwnSessionKeyring(script);

  // By descriptor: the process gets what was found, wherever a path leads by now.
  if (joined) {
    recordJoinNamespaces(joined, call);
    // The namespace's root may still be the host's, where the host's root cannot be left.
    changeRoot(joined.root, call);
  }
  call("fchdir", workingDirectory.number);
  // Last of those that it joins, as that takes the host's privileges.
  if (joined?.users) call("setns", joined.users.number, CLONE_NEWUSER);
  // A namespace belongs to the users of whoever makes it.
  if (joined?.ownCgroupNamespace) call("unshare", CLONE_NEWCGROUP);
  if (joined) recordStreams(joined.streams, call);
  recordSockets(activation, call);
  // From here on nothing of the host's is open but sockets that the app is given.
  recordCloseAll(known, script, { kept, count: activation?.sockets.length ?? 0 });

  // The calls up to here might exceed the caller's limits, and the filter may refuse this one.
  recordCallerLimits(call);
  // This takes `CAP_SETPCAP`, which root loses with its user id.
  if (privileges.capabilities) limitBoundingSet(privileges.capabilities.keep, call);
  // Groups and group first: only root may change them.
  takeCredentials(credentials, call);
  // A manifest may ask for this, and the filter of a user other than root needs it.
  if (needsNoNewPrivileges(privileges, credentials.uid)) setNoNewPrivileges(call);
  // A change of user may let others look into the process again.
  makeUndumpable(call);
  // A root that may gain privileges needs `CAP_SYS_ADMIN` for this. Later calls pass the filter.
  recordSyscallFilter(privileges, script);
  // A user other than root has lost all capabilities with the change of user.
  if (privileges.capabilities && credentials.uid === 0) {
    recordCapabilities(privileges.capabilities.keep, call);
  }

  if (joined) {
    // Of a minder that is gone, the copy would not become a child.
    if (minder) recordDieWith(minder.ofPreparer, script);
    // From here on the process is in sight of the pod.
    recordEntrance(script);
    // The copy does not inherit this, and a change of credentials would take it back.
    recordDieWith(numberOfStarter(joined, minder), script);
    if (!joined.streams.isCallers) call("setsid");
    if (joined.streams.hasTerminal) takeTerminal(0, call);
  }
  const variables = activation && activationVariables(activation);
  if (joined && variables) recordOwnPid(variables.pid, script);
  recordExecute(program, credentials, variables, script);
}

/**
 * Records that sockets get the numbers from 3 on. None is lost: each of them has a number that is
 * not below its new one.
 */
function recordSockets(activation: Activation | undefined, call: Call): void {
  activation?.sockets.forEach(({ number }, i) => {
    const wanted = FIRST_FD + i;
    if (number === wanted) keepAcrossExec(number, call);
    else call("dup3", number, wanted, 0);
  });
}

/** The name of the variable that says for whom the sockets are. */
const PID_VARIABLE = "LISTEN_PID=";

/** The most digits of a process id. */
const PID_DIGITS = 10;

/** The variables of a program that is given sockets. */
interface ActivationVariables {
  texts: string[];
  /** The one that says for whom they are. In a new process, it is filled in by that. */
  pid: Bytes;
}

function activationVariables({ sockets, names }: Activation): ActivationVariables {
  const pid = new Uint8Array(PID_VARIABLE.length + PID_DIGITS + 1);
  pid.set(encodeText(`${PID_VARIABLE}${Deno.pid}`));
  const texts = [`LISTEN_FDS=${sockets.length}`, `LISTEN_FDNAMES=${names.join(":")}`];
  return { texts, pid };
}

/**
 * Records that a new process, whose id in the pod nobody knows beforehand, completes its variable:
 * /proc/self leads to the id.
 */
function recordOwnPid(variable: Bytes, script: CallScript): void {
  variable.fill(0, PID_VARIABLE.length);
  const place = new Within(variable, PID_VARIABLE.length);
  script.into("readlinkat", AT_FDCWD, "/proc/self", place, PID_DIGITS);
}

/** Records the entry into all namespaces but that of users. That of mounts changes the root. */
function recordJoinNamespaces({ namespaces, pidNamespace, mounts }: JoinedApp, call: Call): void {
  for (const { kind, fd } of namespaces) call("setns", fd.number, NAMESPACE_FLAGS[kind]);
  if (pidNamespace) call("setns", pidNamespace.number, CLONE_NEWPID);
  call("setns", mounts.number, CLONE_NEWNS);
}

function recordStreams({ fds }: LaunchStreams, call: Call): void {
  fds.forEach(({ number }, fd) => {
    if (number !== fd) call("dup3", number, fd, 0);
  });
}

/**
 * Records that the process dies with its parent, and ends at once where that is gone.
 *
 * @param parent The number of the parent, as the process sees it.
 */
function recordDieWith(parent: number | LaterResult, script: CallScript): void {
  dieWithParent(script.call);
  script.onlyAt(parent, "getppid");
}

/**
 * Returns the number of the parent of a new process, as that sees it. Of a parent outside of its
 * PID namespace it is 0, while a process that is left to the namespace's pid 1 has the parent 1.
 */
function numberOfStarter({ pidNamespace }: NewProcess, minder?: MinderIds): number | LaterResult {
  return pidNamespace ? 0 : minder?.ofProcess ?? Deno.pid;
}

/**
 * Records the one call that walks paths of the app's. By their paths: by a descriptor, a script
 * would have no name, and a program's name be a number.
 */
function recordExecute(
  { files, environment }: Program,
  credentials: Credentials,
  activation: ActivationVariables | undefined,
  script: CallScript,
): void {
  const variables = activation
    ? [...environment.filter(isNotOfSockets), ...activation.texts, activation.pid, null]
    : [...environment, null];
  const forms = files.map((file) => ({
    args: [file.path, [...file.argv, null], variables],
    description: describeExecution(file, credentials, files),
  }));
  script.firstOf("execve", forms, NEXT_FILE_ERRORS);
}

/** The caller's own variables about sockets may have come into the manifest. */
function isNotOfSockets(variable: string): boolean {
  return !/^LISTEN_(PID|FDS|FDNAMES)=/.test(variable);
}

/** Says what failed, for whom, and what was seen to be in the way. */
function describeExecution(
  { path, obstacle }: ProgramFile,
  { uid }: Credentials,
  files: readonly ProgramFile[],
): string {
  const quoted = quoteText(path);
  const what = obstacle === undefined
    ? `execve(${quoted}) as user ${uid}`
    : `${quoted} ${obstacle}`;
  if (files.length === 1) return what;
  return `${what}; the app's PATH has ${files.map((file) => file.path).join(", ")}`;
}

/** Lists the descriptors that the list of a new process refers to, each once. */
export function descriptorsOf(process: Launch): Fd[] {
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
    ...process.activation?.sockets ?? [],
  ];
  const known = all.filter((fd) => fd !== undefined);
  return [...new Map(known.map((fd) => [fd.number, fd])).values()];
}
