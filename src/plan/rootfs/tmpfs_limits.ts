/**
 * How much the file systems in memory of an isolated pod can hold.
 *
 * By default, a tmpfs holds half of the machine's memory. Without a memory limit on the app, this
 * is the one thing that it could take from the host for good: the kernel kills a process whose
 * memory it needs, but deletes no file. With a memory limit, files in a tmpfs count as the app's
 * memory.
 *
 * @module
 */

/** Options of a tmpfs: tmpfs(5). */
export interface TmpfsLimits {
  /** Bytes, with a suffix, or a share of the machine's memory. */
  size: string;
  /**
   * The number of files, directories and links: each takes kernel memory that `size` does not
   * count.
   */
  nr_inodes: string;
}

/** For the pod's /dev/shm: the limits of systemd-nspawn. */
export const TMPFS_LIMITS: Readonly<TmpfsLimits> = { size: "10%", nr_inodes: "400k" };

/** For file systems with devices, links and directories, and hardly a file. */
export const DEV_LIMITS: Readonly<TmpfsLimits> = { size: "64k", nr_inodes: "1k" };
