/**
 * The namespaces of an isolated pod, and pid 1, the process that keeps them.
 *
 * Pid 1 only waits: the kernel reaps orphans for it, and its socket is closed when `run` ends,
 * which holds the other end. Then pid 1 ends, and the kernel kills the rest of the pod. So the pod
 * ends with `run`, whatever ends `run`.
 *
 * @module
 */

import { firstProcessCgroups, type PodCgroups } from "../cgroup/tree.ts";
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
import { openProcess, signalProcess } from "../linux/pidfd.ts";
import { childrenOf } from "../linux/proc.ts";
import { makeUndumpable, setProcessName } from "../linux/process.ts";
import { recordFilter, setNoNewPrivileges } from "../linux/seccomp.ts";
import { ignoreChildren, restoreSignals } from "../linux/signal_actions.ts";
import { SIGCHLD, SIGKILL } from "../linux/signal_numbers.ts";
import { makeSocketPair } from "../linux/stream.ts";
import { ARCHITECTURE } from "../linux/syscall_numbers.ts";
import { encodeText } from "../linux/text.ts";
import { waitFor, waitForAllUntil } from "../linux/wait.ts";
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
  /** The process id of pid 1 on the host. */
  pid: number;
  /** A pidfd of pid 1. */
  process: Fd;
  /** The PID namespace that the pod's processes are born into. */
  pidNamespace: Fd;
  /** The other namespaces that the pod's processes join, in this order. */
  joined: readonly { kind: NamespaceKind; fd: Fd }[];
  /** The user namespace, joined last, because that takes the host's privileges. */
  users: Fd | undefined;
  root: PodRoot;
  /** Kills every process in the namespaces, and waits until none is left. */
  end(): void;
}

/**
 * Makes the namespaces, and starts pid 1 in them.
 *
 * @throws {SyscallError} when the kernel refuses one of the namespaces or mounts.
 */
export function makePodNamespaces(
  plan: NamespacePlan,
  context: PreparedContext,
  cgroups: PodCgroups,
): PodNamespaces {
  const { users, network, debug } = context;
  debug(`namespaces of the pod's own: ${plan.kinds.join(", ")}`);
  const root = makePodRoot(rootOf(users?.ids), cgroups.hierarchies, debug);
  // Sockets, because an app could open a pipe once more through /proc, and keep it from its end.
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
  if (users) mountFromOutside(namespaces, plan);
  return namespaces;
}

/** Records the entry into the pod's namespaces, except for those of mounts, pids and users. */
export function recordJoin({ joined }: PodNamespaces, script: CallScript): void {
  for (const { kind, fd } of joined) script.call("setns", fd.number, NAMESPACE_FLAGS[kind]);
}

/**
 * Lists the namespaces that pid 1 makes itself. The others are there before it, or begin with it.
 */
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
  const before = childrenOf(Deno.pid);
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
      // The root of a cgroup namespace is the cgroup of the process that makes it.
      recordJoinCgroups(begin, script);
      recordMoveInto(root, script);
      if (network) call("setns", network.number, CLONE_NEWNET);
      // Namespaces belong to the user namespace of the process that makes them.
      if (users) recordBecomeRoot(users.namespace, call);
      call("unshare", flags);
      if (plan.kinds.includes("uts")) {
        const name = encodeText(plan.hostname);
        call("sethostname", name, name.length);
      }
      // The process that unshares a PID namespace is not in it. Its child is, here a child of
      // run's.
      script.onlyAt(0, "clone", CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
      recordJoinCgroups(stay, script);
      if (!users) recordNamespaceMounts(script, plan.kinds.includes("ipc"));
      recordOwnSessionKeyring(script);
      restoreSignals(call);
      // Pid 1 has no capability, but programs read from its bounding set what a pod may have.
      if (plan.capabilities) limitBoundingSet(plan.capabilities, call);
      call("dup3", lifeline.number, 0, 0);
      if (!users) recordWaiting(script);
    },
    // Executed in the user namespace, pid 1's memory belongs to the pod. Otherwise an app that may
    // look at every process of the pod would not see pid 1.
    ...(users ? { recordReexec: recordWaiting } : {}),
  });
  expectDone(maker, "the namespaces of the pod");
  const pid = childrenOf(Deno.pid).find((child) => !before.includes(child));
  if (pid === undefined) throw new Error("the pod's first process has ended");
  return pid;
}

/** The calls that pid 1 still needs: it waits for the end of its descriptor 0, and ends. */
const CALLS_OF_WAITING = ["read", "exit_group"];

/**
 * Records that pid 1 waits until the other end of its descriptor 0 is closed, and can do nothing
 * else. So an app that may write to the memory of any process of the pod gains nothing by pid 1.
 */
function recordWaiting(script: CallScript): void {
  const { call } = script;
  setProcessName("init", call);
  ignoreChildren(call);
  // No process of the pod may look into pid 1, or open its descriptors.
  makeUndumpable(call);
  noCapabilities(call);
  setNoNewPrivileges(call);
  call("close_range", 1, LAST_FD, 0);
  const filter = { mode: "allow", syscalls: CALLS_OF_WAITING } as const;
  recordFilter(resolveFilter(filter, ARCHITECTURE), call);
  call("read", 0, new Uint8Array(8), 1);
}

/**
 * Has another process make the mounts that show namespaces. In a user namespace, pid 1 may not: the
 * pod's mount namespace belongs to the host's users.
 */
function mountFromOutside(namespaces: PodNamespaces, plan: NamespacePlan): void {
  const { root, joined, pidNamespace } = namespaces;
  const mounter = withChildrenIn(pidNamespace, () =>
    startProcess({
      init: POD_PATHS.init,
      fds: [root.mounts, root.root, ...joined.map(({ fd }) => fd)],
      record: (script) => {
        recordMoveInto(root, script);
        recordJoin(namespaces, script);
        recordNamespaceMounts(script, plan.kinds.includes("ipc"));
      },
    }));
  expectDone(mounter, "the mounts of the pod");
}

/** Fails if the process was killed. A call that failed has thrown before. */
function expectDone(pid: number, what: string): void {
  const status = waitFor(pid);
  if (status !== 0) {
    throw new Error(`${what}: the process that makes them has ended with status ${status}`);
  }
}
