/**
 * The kinds of namespaces, and the flags of clone(2), unshare(2) and setns(2).
 *
 * @module
 */

/** Flags of clone(2), unshare(2) and setns(2). */
export const CLONE_FS = 0x200;
export const CLONE_VFORK = 0x4000;
export const CLONE_PARENT = 0x8000;
export const CLONE_NEWNS = 0x20000;
export const CLONE_PARENT_SETTID = 0x10_0000;
export const CLONE_NEWCGROUP = 0x200_0000;
const CLONE_NEWUTS = 0x400_0000;
const CLONE_NEWIPC = 0x800_0000;
export const CLONE_NEWUSER = 0x1000_0000;
export const CLONE_NEWPID = 0x2000_0000;
export const CLONE_NEWNET = 0x4000_0000;

/** A kind of namespace, as /proc/PID/ns names it. */
export type NamespaceKind = "mnt" | "cgroup" | "uts" | "ipc" | "user" | "pid" | "net";

/** The flag of each kind. */
export const NAMESPACE_FLAGS: Readonly<Record<NamespaceKind, number>> = {
  mnt: CLONE_NEWNS,
  cgroup: CLONE_NEWCGROUP,
  uts: CLONE_NEWUTS,
  ipc: CLONE_NEWIPC,
  user: CLONE_NEWUSER,
  pid: CLONE_NEWPID,
  net: CLONE_NEWNET,
};
