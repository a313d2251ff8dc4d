/**
 * What is in the stage1 image, in the order of the archive. Everything belongs to root.
 *
 * @module
 */

/** A member of the image's archive. */
export interface Member {
  /** Its path in the archive. */
  readonly path: string;
  /** What it is. */
  readonly type: "file" | "directory";
  /** Its permissions. */
  readonly mode: number;
  /** The program that it is. */
  readonly program?: "run" | "enter" | "gc" | "stop" | "init" | "denort";
  /** The program whose code cache it is. */
  readonly codeCacheOf?: "run" | "enter" | "gc" | "stop";
}

/** The manifest comes first, so that a reader has it without unpacking the rest. */
export const MEMBERS: readonly Member[] = [
  { path: "manifest", type: "file", mode: 0o644 },
  directory("rootfs"),
  // stage0 puts the DNS files of its own here.
  directory("rootfs/etc"),
  // The apps' root file systems are mounted or unpacked below this.
  directory("rootfs/opt"),
  directory("rootfs/opt/stage2"),
  // `run` leaves here whom each app runs as, its environment and its exit status.
  directory("rootfs/rkt"),
  directory("rootfs/rkt/credentials"),
  directory("rootfs/rkt/env"),
  directory("rootfs/rkt/status"),
  { path: "rootfs/run", type: "file", mode: 0o755, program: "run" },
  { path: "rootfs/enter", type: "file", mode: 0o755, program: "enter" },
  { path: "rootfs/gc", type: "file", mode: 0o755, program: "gc" },
  { path: "rootfs/stop", type: "file", mode: 0o755, program: "stop" },
  // What processes of a supervised pod begin as.
  { path: "rootfs/init", type: "file", mode: 0o755, program: "init" },
  // The runtime of the entrypoints, which they map: nobody executes it.
  { path: "rootfs/denort", type: "file", mode: 0o644, program: "denort" },
];

/** What follows in an image whose programs have code caches, under the names that Deno gives them. */
export const CODE_CACHE_MEMBERS: readonly Member[] = [
  directory("rootfs/code-cache"),
  codeCache("run"),
  codeCache("enter"),
  codeCache("gc"),
  codeCache("stop"),
];

function codeCache(program: NonNullable<Member["codeCacheOf"]>): Member {
  const path = `rootfs/code-cache/deno-compile-${program}.cache`;
  return { path, type: "file", mode: 0o644, codeCacheOf: program };
}

function directory(path: string): Member {
  return { path, type: "directory", mode: 0o755 };
}
