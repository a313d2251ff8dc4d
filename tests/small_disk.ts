/**
 * A disk for the directory of pods, which a test can fill, empty, and make read-only.
 *
 * @module
 */

import { execute, mountTmpfs, must } from "./host.ts";
import type { Stage0 } from "./stage0.ts";

/** The disk that all pods of a stage0 are on. */
export class SmallDisk implements AsyncDisposable {
  readonly #path: string;
  readonly #mount: AsyncDisposable;

  private constructor(path: string, mount: AsyncDisposable) {
    this.#path = path;
    this.#mount = mount;
  }

  /** Mounts the disk. Pods that were composed before are not on it. */
  static async mount({ podsDirectory }: Stage0): Promise<SmallDisk> {
    const mount = await mountTmpfs(podsDirectory, undefined, "size=1m,nr_inodes=1k");
    return new SmallDisk(podsDirectory, mount);
  }

  /** Leaves no room for a byte more, and none for another file. */
  async fill(): Promise<void> {
    const { code } = await execute(["dd", "if=/dev/zero", `of=${this.#path}/fill`, "bs=4096"]);
    if (code === 0) throw new Error("the disk is not full");
    await Deno.mkdir(`${this.#path}/files`).catch(() => {});
    const files = `cd ${this.#path}/files && i=0; while : >$i; do i=$((i + 1)); done`;
    await execute(["sh", "-c", files]);
  }

  /** Fills the disk but for so many blocks of 4 KiB. Files can still be made. */
  async fillBut(blocks: number): Promise<void> {
    const fill = `${this.#path}/fill`;
    await execute(["dd", "if=/dev/zero", `of=${fill}`, "bs=4096"]);
    const { size } = await Deno.stat(fill);
    await Deno.truncate(fill, Math.max(0, size - 4096 * blocks));
  }

  /** Makes room again. */
  async empty(): Promise<void> {
    await must(["rm", "-rf", `${this.#path}/fill`, `${this.#path}/files`]);
  }

  /** Refuses all writes from now on, or takes them again. */
  async remount(access: "ro" | "rw"): Promise<void> {
    await must(["mount", "-o", `remount,${access}`, this.#path]);
  }

  /** Unmounts the disk. Its pods have gone by then. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mount[Symbol.asyncDispose]();
  }
}
