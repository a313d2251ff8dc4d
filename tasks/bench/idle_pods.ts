/**
 * The first start of a pod on a host that has not read the image yet, and the memory of an idle
 * pod.
 *
 * @module
 */

import { execute, must, type Result, sleep } from "../../tests/host.ts";
import { childrenOf } from "../../tests/procfs.ts";
import { type Program, Stage0 } from "../../tests/stage0.ts";
import { paint, say } from "../console.ts";
import { median } from "../measure.ts";
import type { BenchContext } from "./context.ts";
import { type Row, type RowHead, withoutFigures } from "./table.ts";

/** An app that prints a line and waits. */
const IDLE = ["/bin/sh", "-c", "echo up; exec sleep 1000"];

/** The observation of a pod: times in milliseconds, memory in kB. */
interface Observation {
  /** The time from the start of `run` to the app's first line. */
  readonly run: number;
  /** The time from the start of the first `enter` to its end. */
  readonly enter: number;
  /** The supervisor's private memory. */
  readonly supervisor: number;
  /** Private memory of pid 1. */
  readonly init: number;
}

/** Milliseconds after which a `run` has given back the memory that it needed to build the pod. */
const REST = 4_500;

/** The rows. */
export const IDLE_HEADS: Readonly<Record<keyof Observation, RowHead>> = {
  run: { what: "first run, nothing of the image in the page cache", unit: "ms" },
  enter: { what: "first enter after it", unit: "ms" },
  supervisor: { what: "private memory of an idle run", unit: "MB" },
  init: { what: "private memory of an idle pod's pid 1", unit: "kB" },
};

/** Observes isolated pods of each build, in turn. They are mounted where this program runs. */
export async function benchIdlePods({ app, builds, rounds }: BenchContext): Promise<Row[]> {
  if (!await canDropFromPageCache(`${app}/manifest`)) {
    return withoutFigures(Object.values(IDLE_HEADS), "no GNU dd");
  }
  say(
    paint("bold", "Isolated pods that wait, started with nothing of the image in the page cache"),
  );
  await using stages = new AsyncDisposableStack();
  const contenders: { stage0: Stage0; tree: string; seen: Observation[] }[] = [];
  for (const { trees: { isolated: tree } } of builds) {
    const stage0 = stages.use(await Stage0.open({ stage1: tree, net: "none" }));
    contenders.push({ stage0, tree, seen: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { stage0, tree, seen } of contenders) seen.push(await observe(stage0, tree, app));
  }
  say(`  ${rounds} of each build`);
  say();
  return toRows(contenders.map(({ seen }) => seen));
}

async function observe(stage0: Stage0, tree: string, image: string): Promise<Observation> {
  await using pod = await stage0.prepare({ apps: [{ image, name: "app", app: { exec: IDLE } }] });
  await dropFromPageCache(tree);
  let start = performance.now();
  const program = await pod.launch();
  await program.prints("up");
  const run = performance.now() - start;
  start = performance.now();
  requireSuccess("enter", await pod.enter("app", ["/bin/true"]));
  const enter = performance.now() - start;
  await sleep(REST);
  const memory = { supervisor: privateMemory(program.pid), init: privateMemory(initOf(program)) };
  requireSuccess("stop", await pod.stop({ force: true }));
  await program.result;
  requireSuccess("gc", await pod.gc());
  return { run, enter, ...memory };
}

/**
 * GNU dd's way to posix_fadvise(2) with POSIX_FADV_DONTNEED, of a whole file. To drop all files'
 * pages would slow down the whole machine, and takes a /proc/sys that can be written to.
 */
const DROP = ["iflag=nocache", "count=0", "status=none"];

async function canDropFromPageCache(file: string): Promise<boolean> {
  return (await execute(["dd", `if=${file}`, ...DROP])).code === 0;
}

async function dropFromPageCache(tree: string): Promise<void> {
  await must(["find", tree, "-type", "f", "-exec", "dd", "if={}", ...DROP, ";"]);
}

function requireSuccess(what: string, { code, stderr }: Result): void {
  if (code !== 0) throw new Error(`${what} ended with ${code}: ${stderr.trim()}`);
}

/** Finds pid 1 among the supervisor's children. */
function initOf({ pid }: Program): number {
  const isInit = (child: number) =>
    /^NSpid:.*\t1$/m.test(Deno.readTextFileSync(`/proc/${child}/status`));
  const found = childrenOf(pid).find((child) => isInit(child.pid));
  if (found === undefined) throw new Error("the pod has no pid 1");
  return found.pid;
}

/** Reads a process's private, written memory in kB: proc(5), `smaps_rollup`. */
function privateMemory(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  return Number(text.match(/^Private_Dirty: +(\d+) kB$/m)?.[1]);
}

function toRows(builds: readonly (readonly Observation[])[]): Row[] {
  const row = (key: keyof Observation, perUnit = 1): Row => ({
    ...IDLE_HEADS[key],
    figures: builds.map((seen) => median(seen.map((each) => each[key])) / perUnit),
  });
  return [row("run"), row("enter"), row("supervisor", 1e6 / 1024), row("init")];
}
