/**
 * Leaving and joining namespaces: namespaces(7).
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import {
  CLONE_FS,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  type NamespaceKind,
} from "./clone_flags.ts";
import { ERRNO, failedWith, SyscallError } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { type Call, syscall } from "./libc.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY, openFile } from "./open.ts";
import { throughThread } from "./proc.ts";
import { identityAt, statFd } from "./stat.ts";

/**
 * Gives this thread a mount namespace of its own, a copy of the one that it was in.
 *
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN.
 */
export function unshareMounts(): void {
  syscall("unshare", CLONE_NEWNS);
}

/**
 * Opens a process's namespace, to be joined later.
 *
 * @param pid The process; `"thread-self"` is this thread, whose namespaces may differ from those of
 * its process's first thread.
 * @throws {SyscallError} `ENOENT` when there is no such process.
 */
export function openNamespace(pid: number | "self" | "thread-self", kind: NamespaceKind): Fd {
  const open = (directory: string) => openFile(`${directory}/ns/${kind}`, O_RDONLY);
  if (typeof pid === "string") return open(`/proc/${pid}`);
  const namespace = throughThread(pid, open);
  if (namespace) return namespace;
  throw new SyscallError("openat", [`/proc/${pid}/ns/${kind}`], ERRNO.ENOENT);
}

/**
 * Checks whether a process is in another namespace of that kind than this one.
 *
 * @throws {SyscallError} when there is no such process.
 */
export function isElsewhere(pid: number, kind: NamespaceKind): boolean {
  using namespace = openNamespace(pid, kind);
  return statFd(namespace).identity !== identityAt(`/proc/self/ns/${kind}`);
}

/**
 * Returns the identity of a process's namespace, in the form of {@linkcode FileStatus.identity}.
 * Once nobody holds the namespace any more, the kernel may give the identity to another one.
 *
 * @returns `undefined` when the process is gone, or a zombie.
 * @throws {SyscallError} when /proc refuses a look at the process.
 */
export function namespaceIdentity(
  pid: number | "thread-self",
  kind: NamespaceKind,
): string | undefined {
  const look = (directory: string) => identityAt(`${directory}/ns/${kind}`);
  return typeof pid === "string" ? look(`/proc/${pid}`) : throughThread(pid, look);
}

/** `NS_GET_MNTNS_ID` of ioctl_nsfs(2), since Linux 6.11. */
const NS_GET_MNTNS_ID = 0x8008b705;

/**
 * Returns the number of a mount namespace, which the kernel gives to no other one until it is
 * started again.
 *
 * @returns `undefined` where the kernel has no such numbers.
 * @throws {SyscallError} when the kernel refuses for another reason.
 */
export function mountsNumber(namespace: Fd): string | undefined {
  const number = new BigUint64Array(1);
  try {
    syscall("ioctl", namespace.number, NS_GET_MNTNS_ID, asBytes(number));
    return `${number[0]}`;
  } catch (error) {
    if (failedWith(error, "ENOTTY", "EINVAL")) return undefined;
    throw error;
  }
}

/**
 * Moves this thread into a mount namespace. Root and working directory become those of that
 * namespace.
 *
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN and CAP_SYS_CHROOT.
 */
function joinMounts(namespace: Fd): void {
  // The kernel refuses as long as other threads share the root and the working directory.
  syscall("unshare", CLONE_FS);
  syscall("setns", namespace.number, CLONE_NEWNS);
}

/**
 * Makes the root of this thread's mount namespace its root and working directory, where chroot(2)
 * had given it another root.
 *
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN and CAP_SYS_CHROOT.
 */
export function leaveChroot(): void {
  using own = openNamespace("thread-self", "mnt");
  joinMounts(own);
}

/**
 * Makes a network namespace that contains only a loopback interface, which is down. This thread
 * stays in its own.
 *
 * @returns The namespace, which lasts as long as a descriptor, a mount or a process holds it.
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN.
 */
export function makeNetwork(): Fd {
  using own = openNamespace("thread-self", "net");
  syscall("unshare", CLONE_NEWNET);
  try {
    return openNamespace("thread-self", "net");
  } finally {
    syscall("setns", own.number, CLONE_NEWNET);
  }
}

/**
 * Calls a function with this thread in another network namespace, and comes back.
 *
 * @param network The namespace.
 * @param act The function. Sockets that it opens belong to that namespace, and stay usable.
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN.
 */
export function inNetwork<T>(network: Fd, act: () => T): T {
  using own = openNamespace("thread-self", "net");
  syscall("setns", network.number, CLONE_NEWNET);
  try {
    return act();
  } finally {
    syscall("setns", own.number, CLONE_NEWNET);
  }
}

/**
 * Calls a function in a new mount namespace, a copy of this one, and comes back.
 *
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN.
 */
export function inOwnMounts<T>(act: () => T): T {
  return elsewhere(unshareMounts, act);
}

/**
 * Calls a function with this thread in another mount namespace and in the root of that one, and
 * comes back.
 *
 * @param mounts The namespace.
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN.
 */
export function inMounts<T>(mounts: Fd, act: () => T): T {
  return elsewhere(() => joinMounts(mounts), act);
}

/**
 * Calls a function with this thread in the root of its own mount namespace, also in a chroot(2),
 * and comes back.
 *
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN and CAP_SYS_CHROOT.
 */
export function outsideOfChroot<T>(act: () => T): T {
  return elsewhere(leaveChroot, act);
}

/**
 * The caller may have changed this thread's root. Joining the old namespace does not restore that,
 * so the root and the working directory are kept open.
 */
function elsewhere<T>(go: () => void, act: () => T): T {
  using before = openNamespace("thread-self", "mnt");
  using root = openFile("/", O_PATH | O_DIRECTORY);
  using directory = openFile(".", O_PATH | O_DIRECTORY);
  go();
  try {
    return act();
  } finally {
    joinMounts(before);
    changeRoot(root);
    syscall("fchdir", directory.number);
  }
}

/**
 * Calls a function while the processes that this thread starts are in another PID namespace. This
 * thread can start no threads meanwhile.
 *
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN.
 */
export function withChildrenIn<T>(pidNamespace: Fd, act: () => T): T {
  using own = openNamespace("self", "pid");
  syscall("setns", pidNamespace.number, CLONE_NEWPID);
  try {
    return act();
  } finally {
    syscall("setns", own.number, CLONE_NEWPID);
  }
}

/**
 * Makes an open directory the root and the working directory.
 *
 * @throws {SyscallError} `EPERM` without CAP_SYS_CHROOT; `ENOTDIR` when it is not a directory.
 */
export function changeRoot(root: Fd, call: Call = syscall): void {
  call("fchdir", root.number);
  call("chroot", ".");
}
