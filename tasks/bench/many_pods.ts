/**
 * Commands on a host where many pods run: under rkt, and with the stand-in for stage0.
 *
 * @module
 */

import { must, sleep } from "../../tests/host.ts";
import { packImage } from "../../tests/images.ts";
import { type Pod, type Program, Stage0 } from "../../tests/stage0.ts";
import { paint, say } from "../console.ts";
import { median } from "../measure.ts";
import type { Build } from "./builds.ts";
import type { BenchContext } from "./context.ts";
import { type Row, type RowHead, withoutFigures } from "./table.ts";

/** How many isolated pods run. */
const PODS = 40;

/** The program of their apps. */
const WAIT = ["/bin/sleep", "1000"] as const;

/** How often `rkt list` is timed. */
const LISTS = 10;

/** The medians of what was timed with many pods, in milliseconds. */
interface Times {
  /** One `stop`. */
  readonly stop: number;
  /** One `gc`, of one pod. */
  readonly gc: number;
}

/** The same under rkt, whose `gc` collects all pods: its time is divided by their number. */
interface RktTimes extends Times {
  readonly list: number;
  readonly status: number;
}

const HEADS: Readonly<Record<keyof Times, RowHead>> = {
  stop: { what: `stop of one of ${PODS} pods, without rkt`, unit: "ms" },
  gc: { what: `gc of one of ${PODS} pods, without rkt`, unit: "ms" },
};
const RKT_HEADS: Readonly<Record<keyof RktTimes, RowHead>> = {
  list: { what: `rkt list of ${PODS} pods`, unit: "ms" },
  status: { what: `rkt status of one of ${PODS} pods`, unit: "ms" },
  stop: { what: `rkt stop of one of ${PODS} pods`, unit: "ms" },
  gc: { what: `rkt gc of ${PODS} pods, each`, unit: "ms" },
};

/** All rows. */
export const MANY_HEADS: readonly RowHead[] = [
  ...Object.values(RKT_HEADS),
  ...Object.values(HEADS),
];

/** Times commands of rkt, then the entrypoints alone. Pods are mounted where this program runs. */
export async function benchManyPods(context: BenchContext): Promise<Row[]> {
  say(paint("bold", `Commands while ${PODS} isolated pods run`));
  const underRkt = context.rkt === undefined ? undefined : await timeEach(context, timeUnderRkt);
  const alone = await timeEach(context, timeAlone);
  say(`  ${PODS} of each build`);
  say();
  return [
    ...(underRkt ? toRows(RKT_HEADS, underRkt) : noRkt()),
    ...toRows(HEADS, alone),
  ];
}

function noRkt(): Row[] {
  return withoutFigures(Object.values(RKT_HEADS), "no rkt: --rkt=FILE");
}

async function timeEach<T>(
  context: BenchContext,
  time: (context: BenchContext, build: Build) => Promise<T>,
): Promise<T[]> {
  const times: T[] = [];
  for (const build of context.builds) times.push(await time(context, build));
  return times;
}

function toRows<K extends string>(
  heads: Readonly<Record<K, RowHead>>,
  builds: readonly Readonly<Record<K, number>>[],
): Row[] {
  return Object.entries<RowHead>(heads).map(([key, head]) => ({
    ...head,
    figures: builds.map((times) => times[key as K]),
  }));
}

async function timeAlone({ app: image }: BenchContext, { trees }: Build): Promise<Times> {
  await using ends = new AsyncDisposableStack();
  const stage0 = ends.use(await Stage0.open({ stage1: trees.isolated, net: "none" }));
  const pods: { pod: Pod; run: Program }[] = [];
  for (let i = 0; i < PODS; i++) {
    const app = { image, name: "app", app: { exec: [...WAIT] } };
    const pod = ends.use(await stage0.prepare({ apps: [app] }));
    pods.push({ pod, run: await pod.start() });
  }
  const stop = await timePerPod(pods, async ({ pod }) => requireSuccess(await pod.stop()));
  await Promise.all(pods.map(({ run }) => run.result));
  const gc = await timePerPod(pods, async ({ pod }) => requireSuccess(await pod.gc()));
  return { stop, gc };
}

function requireSuccess({ code, stderr }: { code: number; stderr: string }): void {
  if (code !== 0) throw new Error(`ended with ${code}: ${stderr.trim()}`);
}

async function timeUnderRkt(context: BenchContext, build: Build): Promise<RktTimes> {
  const { directory, rkt } = context;
  const command = [rkt!, `--dir=${directory}/rkt-many-${build.name}`, "--insecure-options=image"];
  const call = (...args: string[]) => must([...command, ...args]);
  const app = await packImage(context.app, `${directory}/many-${build.name}.aci`, "--gzip");
  // Both once, as each pod would read and hash them again.
  const [stage1, image] = await Promise.all(
    [build.images.isolated, app].map(async (file) => (await call("fetch", "--full", file)).trim()),
  );
  const flags = ["--net=none", `--stage1-hash=${stage1}`];
  const [program, ...args] = WAIT;
  const argv = [...command, "run", ...flags, image!, `--exec=${program}`, "--", ...args];
  const runs = Array.from({ length: PODS }, () => spawnQuietly(argv));
  try {
    const pods = await waitForPods(call, runs);
    const list = await timePerPod(Array(LISTS).fill(undefined), () => call("list"));
    const status = await timePerPod(pods, (uuid) => call("status", uuid));
    const stop = await timePerPod(pods, (uuid) => call("stop", uuid));
    await Promise.all(runs.map(({ status }) => status));
    const gc = await timePerPod([undefined], () => call("gc", "--grace-period=0s")) / PODS;
    return { list, status, stop, gc };
  } finally {
    for (const run of runs) killIfThere(run);
  }
}

function spawnQuietly([program, ...args]: string[]): Deno.ChildProcess {
  const streams = { stdin: "null", stdout: "null", stderr: "null" } as const;
  return new Deno.Command(program!, { args, ...streams }).spawn();
}

function killIfThere(run: Deno.ChildProcess): void {
  try {
    run.kill("SIGKILL");
  } catch (error) {
    // It has ended, which it should have.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Waits until all pods run, and returns their UUIDs. */
async function waitForPods(
  call: (...args: string[]) => Promise<string>,
  runs: readonly Deno.ChildProcess[],
): Promise<string[]> {
  let ended = 0;
  for (const { status } of runs) status.then(() => ended++);
  for (;;) {
    const pods: { name: string; state: string }[] =
      JSON.parse(await call("list", "--format=json")) ?? [];
    const running = pods.filter(({ state }) => state === "running");
    if (running.length === PODS) return running.map(({ name }) => name);
    if (ended > 0) throw new Error(`${ended} of ${PODS} pods ended before all of them ran`);
    await sleep(100);
  }
}

/** Does something with each pod, and returns the median of the times, in milliseconds. */
async function timePerPod<P>(
  pods: readonly P[],
  act: (pod: P) => Promise<unknown>,
): Promise<number> {
  const times: number[] = [];
  for (const pod of pods) {
    const start = performance.now();
    await act(pod);
    times.push(performance.now() - start);
  }
  return median(times);
}
