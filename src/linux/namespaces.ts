/**
 * Namespaces of the kernel: leaving and joining them. See namespaces(7).
 *
 * @module
 */

import { type Fd, O_RDONLY, openFile } from "./file.ts";
import { syscall } from "./libc.ts";

/** Flags of unshare(2) and setns(2). */
export const CLONE_FS = 0x200;
export const CLONE_NEWNS = 0x20000;

/**
 * Gives this thread a mount namespace of its own, a copy of the one that it was in.
 *
 * @throws {SyscallError}
 */
export function unshareMounts(): void {
  syscall("unshare", CLONE_NEWNS);
}

/**
 * Opens another process's mount namespace, to be joined later.
 *
 * @throws {SyscallError}
 */
export function openMountNamespace(pid: number): Fd {
  return openFile(`/proc/${pid}/ns/mnt`, O_RDONLY);
}

/**
 * Moves this thread into a mount namespace; its root and working directory become that namespace's.
 *
 * @throws {SyscallError}
 */
export function joinMounts(namespace: Fd): void {
  // The kernel refuses while root and working directory are shared with other threads.
  syscall("unshare", CLONE_FS);
  syscall("setns", namespace.number, CLONE_NEWNS);
}

/**
 * Makes an open directory the root and the working directory.
 *
 * @throws {SyscallError}
 */
export function changeRoot(root: Fd): void {
  syscall("fchdir", root.number);
  syscall("chroot", ".");
}

/**
 * chdir(2).
 *
 * @throws {SyscallError}
 */
export function changeDirectory(path: string): void {
  syscall("chdir", path);
}
