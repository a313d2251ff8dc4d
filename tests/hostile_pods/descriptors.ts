/**
 * Finds the numbers of an entrypoint's descriptors that lead to the host's root, as the host sees
 * them.
 *
 * @module
 */

import { eventually } from "../host.ts";
import type { Pod, Program } from "../stage0.ts";
import { descriptorWatcher } from "./attackers.ts";

/**
 * Starts a pod whose apps each print `up`, and watches `run` and its children until all have.
 * Returns the numbers of the descriptors seen: an attacker's path through `/proc/self/fd` needs
 * them.
 */
export async function watchDescriptors(pod: Pod, apps: number): Promise<number[]> {
  const watcher = await descriptorWatcher();
  const program = await pod.launch();
  const child = new Deno.Command(watcher, {
    args: [`${program.pid}`],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  try {
    await eventually("every app", () => areUp(program, apps));
  } finally {
    child.kill("SIGTERM");
  }
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => /^\d+$/.test(line)).map(
    Number,
  );
}

function areUp(program: Program, apps: number): boolean {
  if (program.ended) throw new Error(`ended before its apps were up: ${program.stderr}`);
  return program.stdout.match(/\bup$/gm)?.length === apps;
}
