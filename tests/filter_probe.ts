/**
 * The program by which an app finds out how its filter judges calls with certain arguments:
 * `filter_probe.c`.
 *
 * @module
 */

import { must, which } from "./host.ts";
import type { Need, Stage } from "./scenario.ts";

/** What it takes to compile the program; static, as an image holds no libraries. */
export const COMPILER: Need[] = [
  { what: "gcc, and libc's static library", met: which("gcc") !== undefined },
];

/** The path of the program in the image. */
export const FILTER_PROBE = "/bin/filter_probe";

/** Attempts with calls that every program needs. */
const USUAL = ["fork", "thread", "spawn", "socket-unix", "socket-inet", "socket-netlink"];

/** What the program prints when the filter comes from a default whitelist. */
export const BY_DEFAULT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(USUAL.map((name) => [name, "ok"])),
  "clone-user": "EPERM",
  "clone-user-above": "EPERM",
  "clone-mount": "EPERM",
  "clone-net": "EPERM",
  "clone-user-and-net": "EPERM",
  "clone3": "ENOSYS",
  "clone3-user": "ENOSYS",
  "socket-vsock": "EPERM",
  "socket-vsock-above": "EPERM",
  "socket-alg": "EPERM",
  "socket-qipcrtr": "EPERM",
  "pair-unix": "ok",
  "pair-vsock": "EPERM",
  "personality-query": "ok",
  "personality-uname26": "ok",
  "personality-execute": "EPERM",
  "personality-foretold": "EPERM",
  "type": "EPERM",
  "type-above": "EPERM",
  "messages": "EPERM",
  "messages-size": "EPERM",
};

/** Makes an image that has the program. */
export async function imageWithProbe(stage: Stage): Promise<string> {
  const image = await stage.image({});
  const source = `${import.meta.dirname}/filter_probe.c`;
  const program = `${image}/rootfs${FILTER_PROBE}`;
  await must(["gcc", "-static", "-pthread", "-Wall", "-Werror", "-o", program, source]);
  return image;
}

/** Parses what the program printed: the result of each attempt, by its name. */
export function readAttempts(output: string): Record<string, string> {
  return Object.fromEntries(output.trim().split("\n").map((line) => line.split(" ")));
}
