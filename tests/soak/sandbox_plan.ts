/**
 * The plan of the soak's pods whose apps come and go. A seed decides everything before any begins.
 *
 * @module
 */

import { type ProgramName, PROGRAMS } from "./plan.ts";
import { Random } from "./random.ts";

/** What can be done to an app between its being added and removed. */
export type Change = "start" | "stop" | "attach" | "enter" | "kill app" | "kill minder";

/** One thing that is done to an app. */
export interface Step {
  change: Change;
  /** How many milliseconds after the step before it. */
  after: number;
  /** After how many milliseconds the program that does it is killed; `undefined` for never. */
  killAfter: number | undefined;
}

/** An app, from its being added until it is removed. */
export interface Turn {
  program: ProgramName;
  /** What its streams are. */
  streams: "log" | "stream" | "tty";
  hasHandlers: boolean;
  hasLimits: boolean;
  steps: readonly Step[];
  /** When its `add` and its `rm` are killed. An `rm` is then tried once more. */
  killAddAfter: number | undefined;
  killRmAfter: number | undefined;
}

/** A pod whose apps come and go. */
export interface SandboxPlan {
  /** The pod's number, from 0. */
  number: number;
  image: "host" | "isolated";
  /** The apps that are there at the same time: of each, what it is one after the other. */
  apps: readonly (readonly Turn[])[];
  ending: "stop" | "stop --force" | "killed";
  /** After how many milliseconds `run` is killed; `undefined` for not before the end. */
  killRunAfter: number | undefined;
}

/** Plans all pods whose apps come and go. */
export function planSandboxes(sandboxes: number, seed: number): SandboxPlan[] {
  const random = new Random(seed ^ 0x5a5a);
  return Array.from({ length: sandboxes }, (_, number) => planSandbox(number, random));
}

/** Tells whether nothing is done to a pod that no user would do. */
export function isUndisturbed({ apps, killRunAfter }: SandboxPlan): boolean {
  const isQuiet = (turn: Turn) =>
    turn.killAddAfter === undefined && turn.killRmAfter === undefined &&
    turn.steps.every(({ change, killAfter }) =>
      (killAfter === undefined || change === "attach" || change === "enter") &&
      !change.startsWith("kill")
    );
  return killRunAfter === undefined && apps.flat().every(isQuiet);
}

function planSandbox(number: number, random: Random): SandboxPlan {
  const isQuiet = random.chance(0.3);
  const image = random.chance(0.7) ? "isolated" : "host";
  const apps = Array.from(
    { length: random.pick([1, 2, 3]) },
    () => Array.from({ length: random.pick([1, 2, 3]) }, () => planTurn(random, isQuiet)),
  );
  return {
    number,
    image,
    apps,
    ending: random.pick(["stop", "stop", "stop --force", "killed"]),
    killRunAfter: !isQuiet && random.chance(0.3) ? random.below(3000) : undefined,
  };
}

function planTurn(random: Random, isQuiet: boolean): Turn {
  const killAfter = (below: number, chance = 0.15) =>
    !isQuiet && random.chance(chance) ? random.below(below) : undefined;
  const changes: [Change, ...Change[]] = ["start", "start", "stop", "attach", "attach", "enter"];
  if (!isQuiet) changes.push("kill app", "kill minder");
  const steps = Array.from({ length: random.pick([0, 2, 3, 4]) }, (): Step => {
    const change = random.pick(changes);
    return { change, after: random.below(150), killAfter: killAfter(LONGEST[change]) };
  });
  return {
    program: random.pick(Object.keys(PROGRAMS) as [ProgramName, ...ProgramName[]]),
    streams: random.pick(["log", "stream", "tty"]),
    hasHandlers: random.chance(0.25),
    hasLimits: random.chance(0.5),
    steps: [
      ...random.chance(0.8) ? [{ change: "start" as const, after: 0, killAfter: undefined }] : [],
      ...steps,
    ],
    killAddAfter: killAfter(300),
    killRmAfter: killAfter(200),
  };
}

/** Before how many milliseconds a program of each kind is killed, if it is. */
const LONGEST: Readonly<Record<Change, number>> = {
  start: 250,
  stop: 200,
  attach: 300,
  enter: 100,
  "kill app": 0,
  "kill minder": 0,
};
