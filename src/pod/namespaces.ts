/**
 * The namespaces that a pod has for itself, and the process that keeps them: pid 1.
 *
 * It does nothing but be there: the kernel reaps for it, and it waits for the other one of a pair
 * of sockets to close, which only `run` holds. So the pod ends with `run`, whatever ends that.
 *
 * @module
 */

import { firstProcessCgroups, type PodCgroups, recordCgroupMounts } from "../cgroup/tree.ts";
import type { CallScript } from "../linux/call_script.ts";
import { limitBoundingSet, noCapabilities } from "../linux/capability_sets.ts";
import { recordJoinCgroups } from "../linux/cgroup.ts";
import {
  CLONE_NEWNET,
  CLONE_NEWPID,
  CLONE_PARENT,
  NAMESPACE_FLAGS,
  type NamespaceKind,
} from "../linux/clone_flags.ts";
import { type Fd, LAST_FD } from "../linux/fd.ts";
import { startProcess } from "../linux/init.ts";
import { recordOwnSessionKeyring } from "../linux/keyring.ts";
import { resolveFilter } from "../linux/named_filter.ts";
import { openNamespace, withChildrenIn } from "../linux/namespaces.ts";
import {
  childrenOf,
  ignoreChildren,
  makeUndumpable,
  openProcess,
  resetSignals,
  SIGCHLD,
  SIGKILL,
  signalProcess,
  waitFor,
  waitForAllUntil,
} from "../linux/process.ts";
import { recordFilter, setNoNewPrivileges } from "../linux/seccomp.ts";
import { makeSocketPair } from "../linux/stream.ts";
import { ARCHITECTURE } from "../linux/syscall_numbers.ts";
import { rootOf } from "../plan/id_range.ts";
import type { NamespacePlan } from "../plan/namespaces.ts";
import {
  makePodRoot,
  type PodRoot,
  recordMoveInto,
  recordNamespaceMounts,
} from "../rootfs/pod_root.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { PreparedContext } from "./context.ts";
import { recordBecomeRoot } from "./user_namespace.ts";

/** A pod's namespaces. */
export interface PodNamespaces extends Disposable {
  /** The host's number of the pod's pid 1. */
  pid: number;
  /** That process. */
  process: Fd;
  /** The PID namespace, which its processes are started into. */
  pidNamespace: Fd;
  /** Those that its processes join, in order. */
  joined: readonly { kind: NamespaceKind; fd: Fd }[];
  /** Joined last, as it takes the host's privileges. */
  users: Fd | undefined;
  root: PodRoot;
  /** Ends every process in them, and waits until none is left. */
  end(): void;
}

const PR_SET_NAME = 15;

/**
 * Makes the namespaces, and starts pid 1 in them.
 *
 * @throws {SyscallError}
 */
export function makePodNamespaces(
  plan: NamespacePlan,
  context: PreparedContext,
  cgroups: PodCgroups,
): PodNamespaces {
  const { users, network, debug } = context;
  debug(`namespaces of the pod's own: ${plan.kinds.join(", ")}`);
  const root = makePodRoot(rootOf(users?.ids), debug);
  // Sockets, as a pipe could be opened once more through /proc, and would not come to its end then.
  const [ofRun, ofPod] = makeSocketPair();
  const letGo = new DisposableStack();
  letGo.use(ofRun);
  const pid = startFirstProcess(plan, context, root, cgroups, ofPod);
  ofPod[Symbol.dispose]();
  const process = openProcess(pid);
  if (process === undefined) throw new Error("the pod's first process has ended");
  const namespaces: PodNamespaces = {
    pid,
    process,
    pidNamespace: openNamespace(pid, "pid"),
    joined: [
      ...(network ? [{ kind: "net" as const, fd: network }] : []),
      ...madeByFirstProcess(plan).map((kind) => ({ kind, fd: openNamespace(pid, kind) })),
    ],
    users: users?.namespace,
    root,
    end() {
      letGo.dispose();
      signalProcess(process, SIGKILL);
      waitForAllUntil(pid);
    },
    [Symbol.dispose]: () => letGo.dispose(),
  };
  if (users) mountFromOutside(namespaces, plan, cgroups);
  return namespaces;
}

/**
 * Records the move into the pod's namespaces, but for those of mounts, of process ids and of users.
 */
export function recordJoin({ joined }: PodNamespaces, script: CallScript): void {
  for (const { kind, fd } of joined) script.call("setns", fd.number, NAMESPACE_FLAGS[kind]);
}

/** Pid 1 makes these itself. The others are made before it, or as it begins. */
function madeByFirstProcess({ kinds }: NamespacePlan): NamespaceKind[] {
  return kinds.filter((kind) => ["uts", "ipc", "cgroup"].includes(kind));
}

function startFirstProcess(
  plan: NamespacePlan,
  { network, users }: PreparedContext,
  root: PodRoot,
  cgroups: PodCgroups,
  lifeline: Fd,
): number {
  const flags = madeByFirstProcess(plan)
    .reduce((all, kind) => all | NAMESPACE_FLAGS[kind], CLONE_NEWPID);
  const { begin, stay } = firstProcessCgroups(cgroups);
  const maker = startProcess({
    init: POD_PATHS.init,
    fds: [
      root.mounts,
      root.root,
      lifeline,
      ...(network ? [network] : []),
      ...(users ? [users.namespace] : []),
      ...begin,
      ...stay,
    ],
    record: (script) => {
      const { call } = script;
      // A cgroup namespace begins in the cgroups of who makes it.
      recordJoinCgroups(begin, script);
      recordMoveInto(root, script);
      if (network) call("setns", network.number, CLONE_NEWNET);
      // Namespaces belong to the user namespace of who makes them.
      if (users) recordBecomeRoot(users.namespace, call);
      call("unshare", flags);
      if (plan.kinds.includes("uts")) {
        const name = new TextEncoder().encode(plan.hostname);
        call("sethostname", name, name.length);
      }
      // Who unshares a PID namespace is not in it. Its child is, which here becomes run's own.
      script.onlyAt(0, "clone", CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
      recordJoinCgroups(stay, script);
      if (!users) recordMounts(plan, cgroups, script);
      recordOwnSessionKeyring(script);
      resetSignals(call);
      // It comes to none of them: but by its set programs know what a pod may have.
      if (plan.capabilities) limitBoundingSet(plan.capabilities, call);
      call("dup3", lifeline.number, 0, 0);
      if (!users) recordWaiting(script);
    },
    // Its memory would be the host's otherwise, and it be hidden from an app that may look at any
    // process.
    ...(users ? { recordReexec: recordWaiting } : {}),
  });
  expectDone(maker, "the namespaces of the pod");
  const [pid] = childrenOf(Deno.pid);
  if (pid === undefined) throw new Error("the pod's first process has ended");
  return pid;
}

/** The calls of who waits for the other end of its descriptor 0 to be closed, and ends. */
const CALLS_OF_WAITING = ["read", "exit_group"];

/**
 * Records what pid 1 does until the other end of its descriptor 0 is closed: nothing, and it can do
 * no more. An app that may look into any process of the pod, and write to its memory, gets no
 * further by that.
 */
function recordWaiting(script: CallScript): void {
  const { call } = script;
  call("prctl", PR_SET_NAME, "init", 0, 0, 0);
  ignoreChildren(call);
  // No process of the pod may look at, or hold on to, what the first one has.
  makeUndumpable(call);
  noCapabilities(call);
  setNoNewPrivileges(call);
  call("close_range", 1, LAST_FD, 0);
  const filter = { mode: "allow", syscalls: CALLS_OF_WAITING } as const;
  recordFilter(resolveFilter(filter, ARCHITECTURE), call);
  call("read", 0, new Uint8Array(8), 1);
}

/** Records the mounts that show the namespaces, for a process that is in all of them. */
function recordMounts(plan: NamespacePlan, { branches }: PodCgroups, script: CallScript): void {
  recordNamespaceMounts(script, plan.kinds.includes("ipc"));
  recordCgroupMounts(branches.map(({ plan }) => plan), script);
}

/** Pid 1 makes them itself, but where it is in a user namespace: the mount namespace is the host's. */
function mountFromOutside(
  namespaces: PodNamespaces,
  plan: NamespacePlan,
  cgroups: PodCgroups,
): void {
  const { root, joined, pidNamespace } = namespaces;
  const mounter = withChildrenIn(pidNamespace, () =>
    startProcess({
      init: POD_PATHS.init,
      fds: [root.mounts, root.root, ...joined.map(({ fd }) => fd)],
      record: (script) => {
        recordMoveInto(root, script);
        recordJoin(namespaces, script);
        recordMounts(plan, cgroups, script);
      },
    }));
  expectDone(mounter, "the mounts of the pod");
}

/** A call that fails has been told of by now; what is left is that somebody kills the process. */
function expectDone(pid: number, what: string): void {
  const status = waitFor(pid);
  if (status !== 0) throw new Error(`${what}: who makes them has ended with status ${status}`);
}
