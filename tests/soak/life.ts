/**
 * The life of one pod of the soak, from its start until it has been collected.
 *
 * @module
 */

import { editJson } from "../expect.ts";
import { sleep } from "../host.ts";
import { readProcesses } from "../procfs.ts";
import { SmallDisk } from "../small_disk.ts";
import type { Pod, Program, Stage0 } from "../stage0.ts";
import { fillAsPlanned } from "./disk.ts";
import { findUnhealthy, readStatuses } from "./health.ts";
import { findLeftovers } from "./leftovers.ts";
import { type Kill, type PodPlan, PROGRAMS, type Victim } from "./plan.ts";
import { findVictims, type Programs } from "./victims.ts";

/** The stage0s and the image that pods are made with. */
export interface Site {
  /** By the image's flavor. */
  stage0: Readonly<Record<PodPlan["image"], Stage0>>;
  /** Opens another one, for pods on a disk of their own. */
  openStage0(image: PodPlan["image"]): Promise<Stage0>;
  /** The image of all apps. */
  app: string;
}

/** How a pod's life went. */
export interface Outcome {
  plan: PodPlan;
  uuid: string;
  /** The kinds of its processes that were killed. */
  killed: Victim[];
  /** The exit code of `run`. */
  code: number;
  /** The standard error of its programs. */
  words: string;
  /** The faults that were found, one line each. */
  faults: string[];
}

/**
 * How many milliseconds something may take. What takes longer is reported and killed. A pod that
 * cannot begin asks its apps to end, and waits half a minute for each stubborn one of two.
 */
const PATIENCE = { begin: 80_000, end: 20_000, entrypoint: 20_000, leave: 5_000 };

/** How many milliseconds pass between two looks for victims. */
const GLANCE = 2;

/** The isolators of pods with limits. */
export const LIMITS = [
  { name: "resource/memory", value: { limit: "256Mi" } },
  { name: "resource/cpu", value: { limit: "500m" } },
];

/** Takes a pod through its life, and looks for what is left of it. */
export async function liveThrough(plan: PodPlan, site: Site): Promise<Outcome> {
  const faults: string[] = [];
  await using stage0 = plan.disk && await site.openStage0(plan.image);
  const disk = stage0 && await SmallDisk.mount(stage0);
  await using pod = await preparePod(plan, stage0 ?? site.stage0[plan.image], site.app);
  const programs: Programs = { enters: [] };
  const over = new AbortController();
  const kills = plan.kills.map((kill) => killWhenSeen(kill, programs, over.signal));
  const filled = disk && fillAsPlanned(disk, plan.disk!, () => hasBegun(pod, programs));
  const code = await runPod(plan, pod, programs, faults);
  await filled;
  const statuses = readStatuses(plan, pod);
  await pod.becomeGarbage();
  if (plan.disk?.isFullAtEnd) await disk?.fill();
  await collect(pod, programs, faults);
  over.abort();
  const killed = (await Promise.all(kills)).filter((victim) => victim !== undefined);
  await inTime("enter", Promise.all(programs.enters.map(({ result }) => result)), faults);
  faults.push(...await settle(() => findLeftovers(pod)));
  const words = [programs.run, ...programs.enters, programs.gc].map((it) => it?.stderr).join("");
  faults.push(...findUnhealthy({ plan, killed, code, statuses, words: programs.run!.stderr }));
  return { plan, uuid: pod.uuid, killed, code, words, faults };
}

/** Tells whether the pod has begun, or never will. */
function hasBegun(pod: Pod, { run }: Programs): boolean {
  return run !== undefined && (run.ended || pod.readNumber("pid") !== undefined);
}

async function preparePod(plan: PodPlan, stage0: Stage0, image: string): Promise<Pod> {
  const handler = { exec: ["/bin/sh", "-c", "sleep 0.05"] };
  const app = {
    ...(plan.hasHandlers &&
      { eventHandlers: ["pre-start", "post-stop"].map((name) => ({ name, ...handler })) }),
    ...(plan.hasLimits && { isolators: LIMITS }),
    ...(plan.hasPort && { ports: [{ name: "http", protocol: "tcp", port: 80 }] }),
  };
  const apps = plan.apps.map((program, i) => ({
    image,
    name: `app${i}`,
    app: { ...app, exec: ["/bin/sh", "-c", PROGRAMS[program]] },
  }));
  const pod = await stage0.prepare({ apps });
  if (plan.hasPort) {
    await editJson(`${pod.dir}/pod`, (manifest) => {
      manifest.ports = [{ name: "http", hostPort: FIRST_PORT + plan.number }];
      for (const { app } of manifest.apps.slice(1)) delete app.ports;
    });
  }
  return pod;
}

/** The lowest port of the host that pods get; each has one of its own. */
const FIRST_PORT = 20_000;

async function runPod(
  plan: PodPlan,
  pod: Pod,
  programs: Programs,
  faults: string[],
): Promise<number> {
  const run = programs.run = await pod.launch({ flags: { net: plan.net } });
  if (!await waitFor(() => hasBegun(pod, programs), PATIENCE.begin)) {
    faults.push(`run has not begun: ${whereabouts(run.pid)}`);
  }
  const enters = plan.enters.map(async ({ after, ends }, i) => {
    await sleep(after);
    const command = ["/bin/sh", "-c", ends ? "sleep 0.02" : "sleep 1000 & exec sleep 1000"];
    programs.enters.push(pod.startEnter(`app${i % plan.apps.length}`, command));
  });
  await sleep(plan.endAfter);
  await end(plan, pod, run, faults);
  await Promise.all(enters);
  return (await inTime("run", run.result, faults))?.code ?? await killHung(run);
}

/** Kills a program that hangs, and returns its exit code. */
export async function killHung(program: Program): Promise<number> {
  program.kill("SIGKILL");
  return (await program.result).code;
}

async function end(plan: PodPlan, pod: Pod, run: Program, faults: string[]): Promise<void> {
  const stop = (force = false) => inTime("stop", pod.stop({ force }), faults);
  if (plan.ending === "killed") return run.kill("SIGKILL");
  if (plan.ending === "stop --force") {
    await stop(true);
  } else if (plan.ending !== "by itself") {
    await stop();
    if (plan.ending === "stop twice") await stop();
  }
}

/** Collects a pod, and again if `gc` was killed: a later attempt has to do all that is left. */
async function collect(pod: Pod, programs: Programs, faults: string[]): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const gc = programs.gc = await pod.startGc();
    const result = await inTime("gc", gc.result, faults);
    if (result === undefined) await killHung(gc);
    else if (result.signal === "SIGKILL") continue;
    else if (result.code !== 0) faults.push(`gc: exit code ${result.code}: ${result.stderr}`);
    return;
  }
  faults.push("gc: killed again and again");
}

/** Kills a process of a kind once there is one. Returns undefined if the pod's life ends before. */
async function killWhenSeen(
  { victim, after, which }: Kill,
  programs: Programs,
  over: AbortSignal,
): Promise<Victim | undefined> {
  const find = async () => {
    for (;;) {
      const found = findVictims(victim, programs);
      if (found.length > 0 || over.aborted) return found;
      await sleep(GLANCE);
    }
  };
  await find();
  await sleep(after);
  const found = await find();
  const pid = found[Math.floor(which * found.length)];
  if (pid === undefined) return undefined;
  try {
    Deno.kill(pid, "SIGKILL");
    return victim;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Waits for something that may take some time.
 *
 * @returns `undefined` when it takes longer, which is a fault.
 */
export async function inTime<T>(
  what: string,
  work: Promise<T>,
  faults: string[],
): Promise<T | undefined> {
  let timer: number | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      const processes = readProcesses().map(({ pid, parent, argv }) =>
        `  ${pid} of ${parent}, ${whereabouts(pid)}: ${argv.join(" ").slice(0, 120)}`
      );
      faults.push([`${what} hangs, among`, ...processes].join("\n"));
      resolve(undefined);
    }, PATIENCE.entrypoint);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads the system call that a process waits in, and its first arguments: proc_pid_syscall(5). */
function whereabouts(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/syscall`).split(" ").slice(0, 4).join(" ").trim();
  } catch {
    return "gone";
  }
}

async function waitFor(ask: () => boolean, milliseconds: number): Promise<boolean> {
  const deadline = Date.now() + milliseconds;
  while (!ask()) {
    if (Date.now() > deadline) return false;
    await sleep(5);
  }
  return true;
}

/** Waits until nothing is left, or patience ends: killed processes may take a moment to end. */
export async function settle(find: () => Promise<string[]>): Promise<string[]> {
  const deadline = Date.now() + PATIENCE.leave;
  for (;;) {
    const found = await find();
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(50);
  }
}
