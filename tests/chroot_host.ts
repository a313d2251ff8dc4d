/**
 * A chroot(2) on a host of its own, in which rkt runs: as in a distribution that somebody unpacked
 * into a directory.
 *
 * @module
 */

import { type Host, must, SimulatedHost } from "./host.ts";
import { readMounts } from "./procfs.ts";

/** What the root of a chroot is to the kernel. */
export type ChrootKind = "a directory" | "a mount";

/** What rkt, its images and the stand-in for stage0 need of the host, as far as it has them. */
const PARTS = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/dev", "/proc", "/sys"];

/** The project, whose programs stand in for older kernels. */
const PROJECT = new URL("..", import.meta.url).pathname;

/** A host whose programs start in a chroot. The host, and its mounts, end with it. */
export class ChrootHost implements Host, AsyncDisposable {
  private constructor(readonly outside: SimulatedHost, readonly root: string) {}

  /**
   * Makes the chroot.
   *
   * @param root Its root, a path without a file.
   * @param shown A directory that it shows at its own path.
   */
  static async open(root: string, kind: ChrootKind, shown: string): Promise<ChrootHost> {
    const outside = await SimulatedHost.open();
    await must(["mkdir", "-p", root]);
    if (kind === "a mount") await must(["mount", "--bind", root, root], outside);
    for (const part of [...PARTS, PROJECT, shown]) {
      const script = 'test ! -d "$1" || { mkdir -p "$2" && mount --rbind "$1" "$2"; }';
      await must(["sh", "-c", script, "sh", part, `${root}${part}`], outside);
    }
    return new ChrootHost(outside, root);
  }

  /** Returns the command line that starts `argv` in the chroot. */
  wrap(argv: readonly string[]): string[] {
    return this.outside.wrap(["chroot", this.root, ...argv]);
  }

  /** Lists all mounts of the host, and their propagation. */
  mounts(): string[] {
    return readMounts(this.outside.pid).map(({ id, path, propagation }) =>
      `${id} ${path} ${propagation}`
    );
  }

  /** Ends the host. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.outside[Symbol.asyncDispose]();
  }
}
