/**
 * The members of a stage1 image, in the order of the archive. All belong to root.
 *
 * @module
 */

import { type ProgramName, PROGRAMS } from "./entrypoints.ts";

/** A member of the image's archive. */
export interface Member {
  /** Its path in the archive. */
  readonly path: string;
  /** Its type. */
  readonly type: "file" | "directory";
  /** Its permissions. */
  readonly mode: number;
  /** The entrypoint or program whose file it is. */
  readonly program?: ProgramName | "init" | "denort";
  /** The entrypoint whose code cache it is. */
  readonly codeCacheOf?: ProgramName;
}

/** The members of every image. The manifest is first, so that readers need not unpack the rest. */
export const MEMBERS: readonly Member[] = [
  { path: "manifest", type: "file", mode: 0o644 },
  directory("rootfs"),
  // stage0 writes its DNS files here.
  directory("rootfs/etc"),
  // The apps' root file systems are mounted or unpacked below this.
  directory("rootfs/opt"),
  directory("rootfs/opt/stage2"),
  // `run` leaves the credentials, environment and exit status of each app here.
  directory("rootfs/rkt"),
  directory("rootfs/rkt/credentials"),
  directory("rootfs/rkt/env"),
  directory("rootfs/rkt/status"),
  ...PROGRAMS.map((program): Member => (
    { path: `rootfs/${program}`, type: "file", mode: 0o755, program }
  )),
  // The processes of a supervised pod begin as this program.
  { path: "rootfs/init", type: "file", mode: 0o755, program: "init" },
  // The entrypoints map the runtime; it is not executed itself.
  { path: "rootfs/denort", type: "file", mode: 0o644, program: "denort" },
];

/** The further members of an image with code caches. Their names are Deno's. */
export const CODE_CACHE_MEMBERS: readonly Member[] = [
  directory("rootfs/code-cache"),
  ...PROGRAMS.map(codeCache),
];

function codeCache(program: ProgramName): Member {
  const path = `rootfs/code-cache/deno-compile-${program}.cache`;
  return { path, type: "file", mode: 0o644, codeCacheOf: program };
}

function directory(path: string): Member {
  return { path, type: "directory", mode: 0o755 };
}
