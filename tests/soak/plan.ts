/**
 * What the soak does: which pods there are, and what becomes of each. Decided by a seed before any is started.
 *
 * @module
 */

import { Random } from "./random.ts";

/** What an app of the soak's is: a shell script. */
export const PROGRAMS = {
  ends: "sleep 0.2",
  fails: "sleep 0.2; exit 3",
  stays: "exec sleep 1000",
  /** The end of its first process is not the end of the others. */
  forks: "sleep 1000 & (sleep 1000 & exec sleep 1000) & wait",
  daemon: "setsid sh -c 'sleep 1000 & exec sleep 1000' & sleep 0.2",
  stubborn: "trap '' TERM; sleep 1000 & while :; do sleep 0.2; done",
} as const;

/** The name of one of {@linkcode PROGRAMS}. */
export type ProgramName = keyof typeof PROGRAMS;

/** Those that end by themselves. */
const ENDING: readonly ProgramName[] = ["ends", "fails", "daemon"];

/**
 * Whose processes are killed: those of an entrypoint, of the apps, or plugins that add the pod to a network, with what
 * they have started. What a plugin has begun to undo when it is killed, only that plugin could go on with.
 */
export type Victim = "run" | "init" | "app" | "enter" | "plugin" | "gc";

/** A kill to come. */
export interface Kill {
  victim: Victim;
  /** How many milliseconds after the first such process has been seen. */
  after: number;
  /** Which one, where there are several: from 0 for the first to 1 for what would follow the last. */
  which: number;
}

/** How a pod comes to its end. */
export type Ending = "by itself" | "stop" | "stop twice" | "stop --force" | "killed";

/** A pod, and what becomes of it. */
export interface PodPlan {
  /** From 0. */
  number: number;
  image: "host" | "isolated";
  net: "host" | "none" | "default";
  /** Whether a port of the host leads to it. */
  hasPort: boolean;
  apps: readonly ProgramName[];
  hasHandlers: boolean;
  hasLimits: boolean;
  /** Commands in its apps: how many milliseconds after its start, and whether they end by themselves. */
  enters: readonly { after: number; ends: boolean }[];
  ending: Ending;
  /** How many milliseconds after its start it is ended. */
  endAfter: number;
  kills: readonly Kill[];
}

/** What the plan depends on. */
export interface SoakOptions {
  pods: number;
  seed: number;
  /** Whether there may be pods with networks, which need plugins. */
  networks: boolean;
}

/** Plans all pods. */
export function planSoak({ pods, seed, networks }: SoakOptions): PodPlan[] {
  const random = new Random(seed);
  return Array.from({ length: pods }, (_, number) => planPod(number, random, networks));
}

function planPod(number: number, random: Random, networks: boolean): PodPlan {
  const image = random.chance(0.7) ? "isolated" : "host";
  const net = image === "host" ? "host" : planNet(random, networks);
  const apps = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => planProgram(random));
  const hasHandlers = random.chance(0.25);
  const isSupervised = image === "isolated" || apps.length > 1 || hasHandlers;
  return {
    number,
    image,
    net,
    hasPort: net === "default" && random.chance(0.5),
    apps,
    hasHandlers,
    hasLimits: random.chance(0.5),
    enters: Array.from({ length: random.pick([0, 1, 2]) }, () => ({
      after: random.below(150),
      ends: random.chance(0.5),
    })),
    ending: planEnding(random, apps, isSupervised),
    endAfter: random.below(400),
    kills: planKills(random, net),
  };
}

function planNet(random: Random, networks: boolean): "host" | "none" | "default" {
  return networks && random.chance(0.5) ? "default" : random.pick(["host", "none"]);
}

function planProgram(random: Random): ProgramName {
  return random.pick(["ends", "fails", "stays", "stays", "forks", "daemon", "stubborn"]);
}

/** A pod that would not end is not waited for, nor one that takes half a minute to give up. */
function planEnding(
  random: Random,
  apps: readonly ProgramName[],
  isSupervised: boolean,
): Ending {
  const isOver = apps.every((app) => ENDING.includes(app)) && !apps.includes("fails");
  if (isOver && random.chance(0.5)) return "by itself";
  // Without a supervisor, there is nobody who would lose patience.
  if (apps.includes("stubborn") && !isSupervised) return random.pick(["stop --force", "killed"]);
  return apps.includes("stubborn")
    ? random.pick(["stop twice", "stop --force", "killed"])
    : random.pick(["stop", "stop twice", "stop --force", "killed"]);
}

function planKills(random: Random, net: PodPlan["net"]): Kill[] {
  const plugins: Victim[] = net === "default" ? ["plugin", "plugin", "gc"] : [];
  const victims: [Victim, ...Victim[]] = ["run", "run", "init", "app", "enter", "gc", ...plugins];
  return Array.from({ length: random.pick([0, 1, 1, 2]) }, () => {
    const victim = random.pick(victims);
    return { victim, after: random.below(LONGEST[victim]), which: random.next() };
  });
}

/** How long, in milliseconds, something may yet happen to each of them. */
const LONGEST: Readonly<Record<Victim, number>> = {
  run: 300,
  init: 40,
  app: 200,
  enter: 100,
  plugin: 80,
  gc: 200,
};
