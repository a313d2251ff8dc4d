/**
 * The plan of the soak: which pods there are, and what becomes of each. A seed decides everything
 * before any pod starts.
 *
 * @module
 */

import { Random } from "./random.ts";

/** Shell scripts for the soak's apps. */
export const PROGRAMS = {
  ends: "sleep 0.2",
  fails: "sleep 0.2; exit 3",
  stays: "exec sleep 1000",
  /** The other processes outlive the first one. */
  forks: "sleep 1000 & (sleep 1000 & exec sleep 1000) & wait",
  daemon: "setsid sh -c 'sleep 1000 & exec sleep 1000' & sleep 0.2",
  stubborn: "trap '' TERM; sleep 1000 & while :; do sleep 0.2; done",
  /** Its log grows all the time. */
  writes: "while :; do head -c 200 /dev/zero; sleep 0.02; done",
} as const;

/** The name of one of {@linkcode PROGRAMS}. */
export type ProgramName = keyof typeof PROGRAMS;

/** The programs that end by themselves. */
const ENDING: readonly ProgramName[] = ["ends", "fails", "daemon"];

/**
 * The kind of process to kill: one of an entrypoint, of an app, of a plugin that adds the pod to a
 * network, or the keeper that is to remove it. Plugins that remove the pod are spared: no other
 * program could finish what they have begun.
 */
export type Victim = "run" | "init" | "app" | "enter" | "plugin" | "keeper" | "gc";

/** A kill to come. */
export interface Kill {
  victim: Victim;
  /** How many milliseconds after the first such process has been seen. */
  after: number;
  /** Which of several processes: 0 for the first, towards 1 for the last. It is always below 1. */
  which: number;
}

/** What ends a pod. */
export type Ending = "by itself" | "stop" | "stop twice" | "stop --force" | "killed";

/** A disk of a pod's own, and what becomes of it. */
export interface DiskPlan {
  /**
   * When it is full: how many milliseconds after the pod has begun, or after the time before, and
   * for how many.
   */
  fills: readonly { after: number; lasts: number }[];
  /** Whether it is full while `gc` removes the pod. */
  isFullAtEnd: boolean;
}

/** A pod, and what becomes of it. */
export interface PodPlan {
  /** The pod's number, from 0. */
  number: number;
  image: "host" | "isolated";
  net: "host" | "none" | "default";
  /** Whether a port of the host is forwarded to the pod. */
  hasPort: boolean;
  apps: readonly ProgramName[];
  hasHandlers: boolean;
  hasLimits: boolean;
  /** The disk with the pod's directory; `undefined` for one with room enough. */
  disk: DiskPlan | undefined;
  /**
   * Commands entered into its apps: how many milliseconds after the pod's start, and whether they
   * end by themselves.
   */
  enters: readonly { after: number; ends: boolean }[];
  ending: Ending;
  /** How many milliseconds after its start the pod is ended. */
  endAfter: number;
  kills: readonly Kill[];
}

/** What decides the plan. */
export interface SoakOptions {
  pods: number;
  seed: number;
  /** Which pods are in networks of their own, with a port, which need plugins. */
  networks: SoakNetworks;
}

/** How many pods are in networks. */
export type SoakNetworks = "none" | "some" | "all";

/** Plans all pods. */
export function planSoak({ pods, seed, networks }: SoakOptions): PodPlan[] {
  const random = new Random(seed);
  return Array.from({ length: pods }, (_, number) => planPod(number, random, networks));
}

function planPod(number: number, random: Random, networks: SoakNetworks): PodPlan {
  const image = random.chance(0.7) || networks === "all" ? "isolated" : "host";
  const net = image === "host" ? "host" : planNet(random, networks);
  const apps = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => planProgram(random));
  const hasHandlers = random.chance(0.25);
  return {
    number,
    image,
    net,
    hasPort: net === "default" && (networks === "all" || random.chance(0.5)),
    apps,
    hasHandlers,
    hasLimits: random.chance(0.5),
    disk: random.chance(0.4) ? planDisk(random) : undefined,
    enters: Array.from({ length: random.pick([0, 1, 2]) }, () => ({
      after: random.below(150),
      ends: random.chance(0.5),
    })),
    ending: planEnding(random, apps, isSupervised({ image, apps, hasHandlers })),
    endAfter: random.below(400),
    kills: planKills(random, net),
  };
}

/** Tells whether `run` stays with a pod. */
export function isSupervised(
  { image, apps, hasHandlers }: Pick<PodPlan, "image" | "apps" | "hasHandlers">,
): boolean {
  return image === "isolated" || apps.length > 1 || hasHandlers;
}

function planNet(random: Random, networks: SoakNetworks): "host" | "none" | "default" {
  if (networks === "all") return "default";
  return networks === "some" && random.chance(0.5) ? "default" : random.pick(["host", "none"]);
}

function planDisk(random: Random): DiskPlan {
  const fills = Array.from({ length: random.pick([1, 2, 3]) }, () => ({
    after: random.below(150),
    lasts: random.below(300),
  }));
  return { fills, isFullAtEnd: random.chance(0.5) };
}

function planProgram(random: Random): ProgramName {
  return random.pick(["ends", "fails", "stays", "stays", "forks", "daemon", "stubborn", "writes"]);
}

/**
 * Chooses an ending that comes soon: a pod that would never end, or only after half a minute, is
 * killed.
 */
function planEnding(
  random: Random,
  apps: readonly ProgramName[],
  hasSupervisor: boolean,
): Ending {
  const isOver = apps.every((app) => ENDING.includes(app)) && !apps.includes("fails");
  if (isOver && random.chance(0.5)) return "by itself";
  // Without a supervisor, nothing follows a SIGTERM that the app ignores.
  if (apps.includes("stubborn") && !hasSupervisor) return random.pick(["stop --force", "killed"]);
  return apps.includes("stubborn")
    ? random.pick(["stop twice", "stop --force", "killed"])
    : random.pick(["stop", "stop twice", "stop --force", "killed"]);
}

function planKills(random: Random, net: PodPlan["net"]): Kill[] {
  const plugins: Victim[] = net === "default" ? ["plugin", "plugin", "keeper", "gc"] : [];
  const victims: [Victim, ...Victim[]] = ["run", "run", "init", "app", "enter", "gc", ...plugins];
  return Array.from({ length: random.pick([0, 1, 1, 2]) }, () => {
    const victim = random.pick(victims);
    return { victim, after: random.below(LONGEST[victim]), which: random.next() };
  });
}

/** How many milliseconds after a process of each kind has been seen a kill may come. */
const LONGEST: Readonly<Record<Victim, number>> = {
  run: 300,
  init: 40,
  app: 200,
  enter: 100,
  plugin: 80,
  keeper: 1000,
  gc: 200,
};
