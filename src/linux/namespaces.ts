/**
 * Namespaces of the kernel: leaving and joining them. See namespaces(7).
 *
 * @module
 */

import {
  CLONE_FS,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  type NamespaceKind,
} from "./clone_flags.ts";
import { ERRNO, SyscallError } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { type Call, syscall } from "./libc.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY, openFile } from "./open.ts";
import { throughThread } from "./proc.ts";
import { identityAt, statFd } from "./stat.ts";

/**
 * Gives this thread a mount namespace of its own, a copy of the one that it was in.
 *
 * @throws {SyscallError}
 */
export function unshareMounts(): void {
  syscall("unshare", CLONE_NEWNS);
}

/**
 * Opens a process's namespace, to be joined later.
 *
 * @param pid The process; `"thread-self"` is this thread, which may be elsewhere than its process's first one.
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
 * Whether a process is in another namespace of that kind than this one.
 *
 * @throws {SyscallError} when there is no such process.
 */
export function isElsewhere(pid: number, kind: NamespaceKind): boolean {
  using namespace = openNamespace(pid, kind);
  return statFd(namespace).identity !== identityAt(`/proc/self/ns/${kind}`);
}

/**
 * Which namespace of a kind a process is in, in the form of {@linkcode FileStatus.identity}. The kernel gives it to
 * another one when nobody holds this one any more.
 *
 * @returns `undefined` when the process is gone, or a zombie.
 * @throws {SyscallError}
 */
export function namespaceIdentity(
  pid: number | "thread-self",
  kind: NamespaceKind,
): string | undefined {
  const look = (directory: string) => identityAt(`${directory}/ns/${kind}`);
  return typeof pid === "string" ? look(`/proc/${pid}`) : throughThread(pid, look);
}

/**
 * Moves this thread into a mount namespace; its root and working directory become that namespace's.
 *
 * @throws {SyscallError}
 */
function joinMounts(namespace: Fd): void {
  // The kernel refuses while root and working directory are shared with other threads.
  syscall("unshare", CLONE_FS);
  syscall("setns", namespace.number, CLONE_NEWNS);
}

/**
 * Makes a network namespace, with nothing in it but a loopback interface that is down. This thread stays
 * where it is.
 *
 * @returns The namespace, which goes with its last descriptor, mount and process.
 * @throws {SyscallError}
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
 * Does something with this thread in another network namespace, and comes back.
 *
 * @param network The namespace.
 * @param act What is done; sockets that it opens belong to that namespace, and stay usable.
 * @throws {SyscallError}
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
 * Does something in a mount namespace of its own, a copy of this one, and comes back.
 *
 * @throws {SyscallError}
 */
export function inOwnMounts<T>(act: () => T): T {
  return elsewhere(unshareMounts, act);
}

/**
 * Does something with this thread in another mount namespace, in the root of that one, and comes back.
 *
 * @param mounts The namespace.
 * @throws {SyscallError}
 */
export function inMounts<T>(mounts: Fd, act: () => T): T {
  return elsewhere(() => joinMounts(mounts), act);
}

/** Its caller may have changed this thread's root, which a namespace that is joined does not know. */
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
 * Does something while the processes that this thread starts are in a PID namespace. It can start no threads
 * meanwhile.
 *
 * @throws {SyscallError}
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
 * @throws {SyscallError}
 */
export function changeRoot(root: Fd, call: Call = syscall): void {
  call("fchdir", root.number);
  call("chroot", ".");
}
