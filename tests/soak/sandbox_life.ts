/**
 * The life of one pod of the soak whose apps come and go, from its start until it has been
 * collected.
 *
 * @module
 */

import { type Result, sleep } from "../host.ts";
import { readProcess } from "../procfs.ts";
import { Sandbox } from "../sandboxes.ts";
import type { Program, Stage0 } from "../stage0.ts";
import { findLeftovers } from "./leftovers.ts";
import { inTime, killHung, LIMITS, settle } from "./life.ts";
import { PROGRAMS } from "./plan.ts";
import { isUndisturbed, type SandboxPlan, type Step, type Turn } from "./sandbox_plan.ts";

/** What such pods are made with. */
export interface SandboxSite {
  /** By the image's flavor. */
  stage0: Readonly<Record<SandboxPlan["image"], Stage0>>;
  /** Makes an image: apps of one image would be removed together. */
  image(): Promise<string>;
}

/** How such a pod's life went. */
export interface SandboxOutcome {
  plan: SandboxPlan;
  uuid: string;
  /** What was done, and with which exit code: `start 0`. */
  done: string[];
  /** The exit code of `run`. */
  code: number;
  /** The standard error of `run`. */
  words: string;
  /** The faults that were found, one line each. */
  faults: string[];
}

/** A pod while it lives. */
interface Life {
  sandbox: Sandbox;
  isUndisturbed: boolean;
  done: string[];
  faults: string[];
}

/** Takes a pod through its life, and looks for what is left of it. */
export async function liveThroughSandbox(
  plan: SandboxPlan,
  site: SandboxSite,
): Promise<SandboxOutcome> {
  const [faults, done]: string[][] = [[], []];
  const stage = { stage0: site.stage0[plan.image], image: site.image };
  await using sandbox = await Sandbox.open(stage);
  const { pod, run } = sandbox;
  const life: Life = { sandbox, isUndisturbed: isUndisturbed(plan), done: done!, faults: faults! };
  const timer = plan.killRunAfter === undefined
    ? undefined
    : setTimeout(() => run.kill("SIGKILL"), plan.killRunAfter);
  await Promise.all(plan.apps.map((turns, i) => takeTurns(`app${i}`, turns, life)));
  clearTimeout(timer);
  await endPod(plan, life);
  const { code } = await inTime("run", run.result, faults!) ?? { code: await killHung(run) };
  if (life.isUndisturbed && plan.ending === "stop" && code !== 0) {
    faults!.push(`run: exit code ${code}`);
  }
  const collected = await inTime("gc", pod.gc(), faults!);
  if (collected?.code !== 0) faults!.push(`gc: ${collected?.code}: ${collected?.stderr}`);
  faults!.push(...await settle(() => findLeftovers(pod)));
  return { plan, uuid: pod.uuid, done: done!, code, words: run.stderr, faults: faults! };
}

async function endPod({ ending }: SandboxPlan, { sandbox, faults }: Life): Promise<void> {
  if (ending === "killed") return sandbox.run.kill("SIGKILL");
  await inTime("stop", sandbox.pod.stop({ force: ending === "stop --force" }), faults);
}

async function takeTurns(name: string, turns: readonly Turn[], life: Life): Promise<void> {
  for (const turn of turns) {
    if (life.sandbox.run.ended) return;
    try {
      await takeTurn(name, turn, life);
    } catch (error) {
      // A pod that has ended is no place for another app.
      if (!life.sandbox.run.ended) life.faults.push(`${name}: ${error}`);
      return;
    }
  }
}

async function takeTurn(name: string, turn: Turn, life: Life): Promise<void> {
  const { sandbox, faults } = life;
  const adding = await sandbox.startAdd(name, PROGRAMS[turn.program], {
    app: {
      ...(turn.hasHandlers &&
        {
          eventHandlers: ["pre-start", "post-stop"].map((name) => ({
            name,
            exec: ["/bin/sh", "-c", "sleep 0.05"],
          })),
        }),
      ...(turn.hasLimits && { isolators: LIMITS }),
    },
    streams: turn.streams === "log"
      ? {}
      : { stdin: turn.streams, stdout: turn.streams, stderr: turn.streams },
    annotations: [{ name: "stage1-volo/stop-timeout", value: "1" }],
  });
  const added = await finish("add", adding, turn.killAddAfter, life);
  if (added?.code === 0) { for (const step of turn.steps) await takeStep(name, turn, step, life); }
  await remove(name, turn, life);
  if (sandbox.run.ended) return;
  const left = sandbox.processesOf(name);
  if (left.length > 0) faults.push(`${name}: processes ${left} are left`);
}

/** Removes an app; once more, where that was killed. */
async function remove(name: string, { killRmAfter }: Turn, life: Life): Promise<void> {
  const { sandbox } = life;
  if (killRmAfter !== undefined && !sandbox.run.ended) {
    await finish("killed rm", sandbox.pod.apps.startRm(name), killRmAfter, life);
  }
  const removed = await inTime("rm", sandbox.pod.apps.rm(name), life.faults);
  note("rm", removed, life);
  if (removed?.code !== 0 && !sandbox.run.ended) {
    life.faults.push(`rm of ${name}: ${removed?.code}: ${removed?.stderr}`);
  }
}

async function takeStep(name: string, turn: Turn, step: Step, life: Life): Promise<void> {
  const { pod, run } = life.sandbox;
  await sleep(step.after);
  if (run.ended) return;
  switch (step.change) {
    case "start":
      if (pod.apps.status(name).state === "running") return;
      await finish("start", pod.apps.startStart(name), step.killAfter, life);
      return;
    case "stop":
      await finish("stop", pod.apps.startStop(name), step.killAfter, life);
      return;
    case "attach": {
      if (turn.streams === "log") return;
      // Nobody detaches by himself here.
      const attached = pod.apps.attach(name, { keepsStdin: true });
      await finish("attach", attached, step.killAfter ?? 300, life);
      return;
    }
    case "enter":
      await finish("enter", pod.startEnter(name, ["/bin/sleep", ".1"]), step.killAfter, life);
      return;
    default:
      killOne(name, step.change, life);
  }
}

function killOne(name: string, change: "kill app" | "kill minder", { sandbox, done }: Life): void {
  const pid = sandbox.processesOf(name)[0];
  const victim = change === "kill app" ? pid : pid && readProcess(pid)?.parent;
  // Before an app's first process is its own, `run` or its `app-start` is its parent.
  if (victim === undefined || victim <= 1 || victim === sandbox.run.pid) return;
  try {
    Deno.kill(victim, "SIGKILL");
    done.push(change);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Waits for a program, which may be killed, and tells what is wrong with how it has ended. */
async function finish(
  what: string,
  program: Program,
  killAfter: number | undefined,
  life: Life,
): Promise<Result | undefined> {
  const { sandbox, faults } = life;
  const timer = killAfter === undefined
    ? undefined
    : setTimeout(() => program.kill("SIGKILL"), killAfter);
  const result = await inTime(what, program.result, faults);
  clearTimeout(timer);
  if (result === undefined) await killHung(program);
  note(what, result, life);
  if (result === undefined || result.signal === "SIGKILL" || sandbox.run.ended) return result;
  const { code, stderr } = result;
  const isOrder = code === 0;
  // An app may have ended by itself before a command gets into it.
  const mayFail = what === "enter" || what === "attach" || !life.isUndisturbed;
  if (!isOrder && !mayFail) faults.push(`${what}: exit code ${code}: ${stderr}`);
  if (!isOrder && !/^[a-z-]+: [^\n]+\n$/.test(stderr)) faults.push(`${what} says: ${stderr}`);
  return result;
}

function note(what: string, result: Result | undefined, { done }: Life): void {
  done.push(`${what} ${result?.signal ?? result?.code ?? "hangs"}`);
}
