/**
 * Finds the processes that the soak kills: all descendants of a pod's programs, by kind.
 *
 * @module
 */

import { readProcess } from "../procfs.ts";
import type { Program } from "../stage0.ts";
import type { Victim } from "./plan.ts";

/** The programs that stage0 has started for a pod. */
export interface Programs {
  run?: Program;
  enters: Program[];
  gc?: Program;
}

/** Lists the living processes of a kind, each before its descendants. */
export function findVictims(victim: Victim, programs: Programs): number[] {
  switch (victim) {
    case "run":
      return idsOf([programs.run]);
    case "gc":
      return idsOf([programs.gc]);
    case "enter":
      return idsOf(programs.enters);
    default: {
      const all = descendantsOf([programs.run, ...programs.enters]);
      return all.filter((pid) => kindOf(pid) === victim);
    }
  }
}

function idsOf(programs: readonly (Program | undefined)[]): number[] {
  return programs.filter((program) => program && !program.ended).map((program) => program!.pid);
}

function descendantsOf(programs: readonly (Program | undefined)[]): number[] {
  return idsOf(programs).flatMap(descendants);
}

function descendants(pid: number): number[] {
  return readChildren(pid).flatMap((child) => [child, ...descendants(child)]);
}

/** Lists the children of all of a process's threads: a plugin starts children from several. */
function readChildren(pid: number): number[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)]
      .map(({ name }) => Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`))
      .flatMap((text) => text.split(" ").filter((word) => word !== "").map(Number));
  } catch {
    // The process has ended.
    return [];
  }
}

function kindOf(pid: number): "init" | "keeper" | "plugin" | "app" | undefined {
  const process = readProcess(pid);
  if (process === undefined || process.zombie) return undefined;
  const [program = ""] = process.argv;
  if (program === "init") return isKeeper(pid) ? "keeper" : "init";
  // What the keeper becomes.
  if (program.endsWith("/gc")) return "keeper";
  const command = pluginCommand(pid);
  if (command === "ADD") return "plugin";
  return command === undefined ? "app" : undefined;
}

function isKeeper(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`).trim() === "volo-networks";
  } catch {
    // The process has ended.
    return false;
  }
}

/**
 * Reads what a plugin was told to do; its environment says so, also in processes that it starts.
 */
function pluginCommand(pid: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`).match(/\0CNI_COMMAND=(\w*)\0/)?.[1];
  } catch {
    return undefined;
  }
}
