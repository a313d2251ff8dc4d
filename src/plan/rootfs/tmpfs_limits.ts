/**
 * How much the file systems in memory of an isolated pod can hold.
 *
 * A tmpfs holds half of the machine's memory unless it is told otherwise. Where an app has no memory
 * limit, this is the one thing that it could take from the host for good: the kernel kills a process
 * whose memory it needs, but deletes no file. What is written counts as the app's memory where that
 * has a limit.
 *
 * @module
 */

/** Options of a tmpfs: tmpfs(5). */
export interface TmpfsLimits {
  /** Bytes, with a suffix, or a part of the machine's memory. */
  size: string;
  /** Files, directories and links: each takes memory of the kernel's that `size` does not count. */
  nr_inodes: string;
}

/** Of each app's /tmp, and of the pod's /dev/shm: what systemd-nspawn allows. */
export const TMPFS_LIMITS: Readonly<TmpfsLimits> = { size: "10%", nr_inodes: "400k" };

/** Of what holds devices, links and directories, and hardly a file. */
export const DEV_LIMITS: Readonly<TmpfsLimits> = { size: "64k", nr_inodes: "1k" };
