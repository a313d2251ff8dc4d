/**
 * Programs that make 32-bit calls, and calls that filters refuse: `program_32.c` and
 * `refused_calls.c`.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { must } from "./host.ts";
import type { Need, Stage } from "./scenario.ts";

/** What it takes to run 32-bit programs. */
export const COMPAT_CALLS: Need[] = [
  { what: "a kernel of x86-64 with 32-bit calls", met: existsSync("/proc/sys/abi/vsyscall32") },
];

/** The paths of the programs in the image. */
export const PROGRAM_32 = "/bin/program_32";
export const REFUSED_CALLS = "/bin/refused_calls";

/** Of a program that starts without libc, at an address of its own. */
const WITHOUT_LIBC = [
  "-m32",
  "-nostdlib",
  "-ffreestanding",
  "-fno-pic",
  "-no-pie",
  "-fno-stack-protector",
];

/** Makes an image that has the program of i386, which needs no 32-bit libc to be built. */
export async function imageWithProgram32(stage: Stage): Promise<string> {
  return await imageWith(stage, PROGRAM_32, "program_32.c", WITHOUT_LIBC);
}

/** Makes an image that has the program which makes the calls that it is told to make. */
export async function imageWithRefusedCalls(stage: Stage): Promise<string> {
  return await imageWith(stage, REFUSED_CALLS, "refused_calls.c", []);
}

async function imageWith(
  stage: Stage,
  path: string,
  source: string,
  options: readonly string[],
): Promise<string> {
  const image = await stage.image({});
  const files = ["-o", `${image}/rootfs${path}`, `${import.meta.dirname}/${source}`];
  await must(["gcc", "-static", "-Wall", "-Wextra", "-Werror", ...options, ...files]);
  return image;
}
