/**
 * Launching a process of an app whose life the supervisor follows although it is not the parent:
 * `app-start` launches, and ends.
 *
 * The process gets a parent of `init`'s size, its _minder_, which makes the process by the same
 * list of calls as every launch (`launch.ts`). Then it gives up everything, and waits in the
 * supervisor's cgroups for the end of the process, or for the hang-up of its socket. The process
 * dies with its minder, and the minder with the other end of the socket, whoever has that. So
 * nothing is left of a launch that its starter did not live to complete, and the one who is told of
 * the end need not be an ancestor. `minder.ts` is the other side.
 *
 * A _deferred_ process has yet to be made: its minder waits for a byte first, and only then carries
 * out the list. Nobody with privileges need be there by then.
 *
 * @module
 */

import type { CallScript } from "../linux/call_script.ts";
import { recordCapabilities } from "../linux/capability_sets.ts";
import { openOtherCgroupsOf, recordJoinCgroups } from "../linux/cgroup.ts";
import { NAMESPACE_FLAGS } from "../linux/clone_flags.ts";
import { recordCloseAll } from "../linux/close_all.ts";
import { ERRNO } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { recordChild, startStaying, type StayingProcess } from "../linux/init.ts";
import { readSetting } from "../linux/kernel_file.ts";
import { recordOwnSessionKeyring } from "../linux/keyring.ts";
import { resolveFilter } from "../linux/named_filter.ts";
import { O_CLOEXEC, O_RDWR, O_WRONLY, openFile } from "../linux/open.ts";
import { openProcess, signalProcess } from "../linux/pidfd.ts";
import { POLLIN, recordWaitFor, waitForEvents } from "../linux/poll.ts";
import { setProcessName } from "../linux/process.ts";
import { CHILD_ADDRESS, LaterResult, Place } from "../linux/script_format.ts";
import { recordFilter, setNoNewPrivileges } from "../linux/seccomp.ts";
import { blockEverySignal, resetSignal } from "../linux/signal_actions.ts";
import { SIGALRM, SIGCHLD, SIGKILL } from "../linux/signal_numbers.ts";
import { openSignalsOfChild, recordTakeSignal } from "../linux/signals.ts";
import { endInput, makeSocketPair, MSG_DONTWAIT, MSG_PEEK } from "../linux/stream.ts";
import { ARCHITECTURE } from "../linux/syscall_numbers.ts";
import { recordTimer } from "../linux/timer.ts";
import { exitStatus, waitFor, WNOHANG } from "../linux/wait.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { HeldProcess } from "./held_process.ts";
import { descriptorsOf, type Launch, type MinderIds, recordMindedLaunch } from "./launch.ts";
import { MESSAGE_SIZE, Minder, type MinderMessage, readMessage, sendByte } from "./minder.ts";
import { withOomScore } from "./oom_score.ts";

/** A process that its minder waits for. Whoever has the descriptors owns them. */
export interface MindedProcess<T> extends HeldProcess {
  /** The socket of the minder's, for a `Minder`. */
  minder: Fd;
  /** What has been seen of the process. */
  seen: T;
}

/** What a minder's launch takes beside the process itself. */
export interface Minding {
  /** The pod's supervisor, whose namespaces and cgroups the minder joins. */
  supervisor: HeldProcess;
  /** The OOM score adjustment of the process; without it, the supervisor's. */
  oomScore?: number | undefined;
}

/** The namespaces that a minder shares with the supervisor. */
const SUPERVISORS_NAMESPACES = (["mnt", "net", "uts", "ipc", "cgroup"] as const)
  .reduce((flags, kind) => flags | NAMESPACE_FLAGS[kind], 0);

/** How many seconds the process may take to execute its program. Who prepares it ends then. */
const PREPARER_SECONDS = 2;

/** How many milliseconds the minder may take to tell of it: its cgroup may be frozen. */
const PATIENCE = 5000;

/** How many milliseconds a process that failed may take to end, or its minder. */
const END_PATIENCE = 1000;

/** Where the minder has its two messages: behind the id, which the kernel writes, the status. */
const STATUS_ADDRESS = CHILD_ADDRESS + 4;

/** A minder's first two descriptors. In the end it has one more, of /dev/null. */
const SOCKET = 0;
const SIGNALS = 1;

/** The calls that a minder still makes. */
const CALLS_OF_MINDING = ["exit_group", "getpid", "ppoll", "read", "recvfrom", "wait4", "write"];

/**
 * Launches a process with a minder.
 *
 * @param process The process. The numbers of its streams are beyond those of stderr.
 * @param look Looks at the process, whose id is no other's meanwhile, also if it has ended.
 * @throws {SyscallError} when a call of the list fails: the first one that did.
 * @throws {Error} what `look` throws, or when the minder is killed meanwhile. No process is left
 * then.
 */
export function launchMinded<T>(
  process: Launch,
  minding: Minding,
  look: (pid: number) => T,
): MindedProcess<T> {
  using undo = new DisposableStack();
  const { minder, socket } = startMinder(process, minding, undo);
  const pid = awaitLaunch(minder, socket);
  // The minder waits for the process only when it gets its byte.
  const held = undo.use(openProcess(pid)!);
  const seen = look(pid);
  const failure = minder.failure();
  sendByte(socket);
  if (failure === undefined) {
    undo.move();
    minder[Symbol.dispose]();
    return { pid, process: held, minder: socket, seen };
  }
  endFailed({ pid, process: held }, socket);
  endMinder(minder, socket);
  throw failure;
}

/**
 * Has a minder ready for a deferred process, which it launches when it gets a byte.
 *
 * @param process The process. The numbers of its streams are beyond those of stderr.
 * @param describe Turns a call in words, such as `execve("/app")`, and its name into the beginning
 * of a line, by which the process tells of its failure on its own standard error.
 * @returns The socket of the minder's, for a `Minder`.
 * @throws {SyscallError} when the minder cannot be started.
 */
export function launchDeferred(
  process: Launch,
  minding: Minding,
  describe: (call: string, name: string) => string,
): Fd {
  using undo = new DisposableStack();
  const { minder, socket } = startMinder(process, minding, undo, describe);
  awaitMessage(minder, socket);
  minder[Symbol.dispose]();
  undo.move();
  return socket;
}

/** Starts the minder. The socket and the process are undone unless the caller keeps them. */
function startMinder(
  process: Launch,
  { supervisor, oomScore }: Minding,
  undo: DisposableStack,
  describe?: (call: string, name: string) => string,
): { minder: StayingProcess; socket: Fd } {
  const [socket, mindersEnd] = makeSocketPair();
  undo.use(socket);
  using end = mindersEnd;
  using signals = openSignalsOfChild([SIGCHLD]);
  using nothing = openFile("/dev/null", O_RDWR);
  using opened = new DisposableStack();
  const cgroups = openOtherCgroupsOf(supervisor.pid);
  for (const fd of cgroups) opened.use(fd);
  const ofMinder = [end, signals, nothing, supervisor.process, ...cgroups];
  const list = { process, ofMinder, oomScore, isDeferred: describe !== undefined };
  const start = () =>
    startStaying({
      init: POD_PATHS.init,
      fds: [...descriptorsOf(process), ...ofMinder],
      record(script) {
        resetSignal(SIGCHLD, script.call);
        blockEverySignal(script.call);
        recordJoinCgroups(cgroups, script);
        script.call("setns", supervisor.process.number, SUPERVISORS_NAMESPACES);
        recordOwnSessionKeyring(script);
        script.call("setsid");
        setProcessName("volo-minder", script.call);
        // Its starter's streams would not end before the minder does.
        [end, signals, nothing].forEach(({ number }, fd) => script.call("dup3", number, fd, 0));
        recordMinding(list, script);
      },
      describe,
    });
  return { minder: undo.use(withScoreOf(supervisor, start)), socket };
}

/** Starts a process with the supervisor's OOM score adjustment, if this process may have that. */
function withScoreOf<T>({ pid }: HeldProcess, start: () => T): T {
  const score = readSetting(`/proc/${pid}/oom_score_adj`);
  const plan = score === undefined ? undefined : { value: Number(score), isolator: "" };
  return withOomScore(plan, () => {}, start).result;
}

/** What a minder's list is about, once the minder is where it stays. */
interface MindingList {
  process: Launch;
  /** The descriptors that the minder has beside those of the process. */
  ofMinder: readonly Fd[];
  oomScore: number | undefined;
  isDeferred: boolean;
}

function recordMinding(list: MindingList, script: CallScript): void {
  const { process, ofMinder, oomScore } = list;
  const ids: MinderIds = { ofPreparer: new LaterResult(), ofProcess: new LaterResult() };
  script.store(ids.ofPreparer, "getpid");
  if (!process.pidNamespace) script.store(ids.ofProcess, "getpid");
  if (list.isDeferred) {
    recordMessage(script);
    recordTakeByte(script);
  }
  recordChild(
    script,
    () => recordParent(list, script),
    () => {
      // If somebody stops the process on the way to its program, who prepares it would wait.
      recordTimer(PREPARER_SECONDS, script.call);
      if (oomScore !== undefined) recordOomScore(process.proc, `${oomScore}`, script);
      const heard = [...process.heard ?? [], SIGALRM];
      recordMindedLaunch({ ...process, heard }, ids, ofMinder, script);
    },
  );
}

/**
 * Records what the minder does from the moment when the process is being prepared. It has one
 * capability left, and few calls, before it is told to wait for the process.
 */
function recordParent({ process, ofMinder }: MindingList, script: CallScript): void {
  const { call } = script;
  // Its result is the id of who prepares the process.
  script.withResult("wait4", STATUS_ADDRESS, 0, null);
  recordCloseAll([...descriptorsOf(process), ...ofMinder], script);
  // The kernel asks whether a dying parent may signal its child, who may be another user's.
  recordCapabilities(["CAP_KILL"], call);
  setNoNewPrivileges(call);
  const filter = { mode: "allow", syscalls: CALLS_OF_MINDING } as const;
  recordFilter(resolveFilter(filter, ARCHITECTURE), call);
  recordMessage(script);
  recordTakeByte(script);

  const [again, others, gone] = [new Place(), new Place(), new Place()];
  script.placeHere(again);
  script.jumpUnlessAt(CHILD_ADDRESS, others, "wait4", -1, STATUS_ADDRESS, WNOHANG, null);
  recordMessage(script);
  call("exit_group", 0);
  script.placeHere(others);
  // The process may have made others that have its parent.
  script.jumpUnlessResult(0, again);
  recordWaitFor([SOCKET, SIGNALS].map((fd) => ({ fd, events: POLLIN })), script);
  const byte = new Uint8Array(8);
  const flags = MSG_PEEK | MSG_DONTWAIT;
  script.jumpUnless(-ERRNO.EAGAIN, gone, "recvfrom", SOCKET, byte, 1, flags, null, null);
  recordTakeSignal(SIGNALS, script);
  script.jump(again);
  script.placeHere(gone);
  call("exit_group", 0);
}

/** Records that the minder tells the id and the status that it has by now. */
function recordMessage({ call }: CallScript): void {
  call("write", SOCKET, CHILD_ADDRESS, MESSAGE_SIZE);
}

/** Records that the minder waits for a byte, and ends where none will come. */
function recordTakeByte(script: CallScript): void {
  script.onlyAt(1, "read", SOCKET, new Uint8Array(8), 1);
}

/** Without `CAP_SYS_RESOURCE`, the score can perhaps not be lowered. */
function recordOomScore(proc: Fd, score: string, script: CallScript): void {
  script.call("openat", proc.number, "self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
  script.tryWithResult("write", score, score.length);
}

/**
 * Waits until the process has executed its program.
 *
 * @returns Its id.
 */
function awaitLaunch(minder: StayingProcess, socket: Fd): number {
  const { pid, status } = awaitMessage(minder, socket);
  if (pid !== 0) return pid;
  endMinder(minder, socket);
  throw minder.failure() ?? preparerEnded(status);
}

function awaitMessage(minder: StayingProcess, socket: Fd): MinderMessage {
  waitForEvents([{ fd: socket.number, events: POLLIN }], PATIENCE);
  const message = readMessage(socket);
  if (message !== undefined && message !== "gone") return message;
  const status = endMinder(minder, socket);
  throw minder.failure() ?? new Error(`the process's minder has ended with status ${status}`);
}

function preparerEnded(status: number): Error {
  return new Error(`who prepares the process has ended with status ${exitStatus(status)}`);
}

/** The report may have been written by somebody else, so the process may not be about to end. */
function endFailed({ pid, process }: HeldProcess, socket: Fd): void {
  waitForEvents([{ fd: process.number, events: POLLIN }], END_PATIENCE);
  signalProcess(process, SIGKILL);
  new Minder(socket, false).awaitEnd(pid);
}

/**
 * Has the minder end, if it has not.
 *
 * @returns Its exit status.
 */
function endMinder({ pid }: StayingProcess, socket: Fd): number {
  endInput(socket);
  using process = openProcess(pid)!;
  waitForEvents([{ fd: process.number, events: POLLIN }], END_PATIENCE);
  signalProcess(process, SIGKILL);
  return waitFor(pid);
}
