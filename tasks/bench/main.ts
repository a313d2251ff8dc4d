/**
 * The measuring part of `deno task bench`. Since it mounts pods, it has to run in a mount namespace
 * of its own for root.
 *
 * @module
 */

import { must } from "../../tests/host.ts";
import { BUSYBOX, makeImage } from "../../tests/images.ts";
import { paint, say } from "../console.ts";
import { architecture } from "../project.ts";
import { runProgram } from "../run_task.ts";
import { provideRuntime } from "../runtime.ts";
import { openBuilds, openPeer } from "./builds.ts";
import type { BenchContext, BenchOptions } from "./context.ts";
import { benchIdlePods, IDLE_HEADS } from "./idle_pods.ts";
import { benchManyPods, MANY_HEADS } from "./many_pods.ts";
import { benchPods, POD_HEADS } from "./pods.ts";
import { benchRkt, RKT_HEADS } from "./rkt.ts";
import { benchSizes } from "./sizes.ts";
import { benchStarts } from "./starts.ts";
import { formatTable, type Row, withoutFigures } from "./table.ts";

async function main([options]: string[]): Promise<void> {
  const context = await prepare(JSON.parse(options!) as BenchOptions);
  const rows = [
    ...await benchSizes(context.builds),
    ...await benchStarts(context),
    ...await benchWithPods(context),
  ];
  say(paint("bold", "All figures"));
  const columns = context.builds.map(({ name }) => name);
  for (const line of formatTable(columns, rows)) say(`  ${line}`);
}

async function prepare({ before, peer, ...options }: BenchOptions): Promise<BenchContext> {
  const { directory } = options;
  const context = {
    ...options,
    builds: await openBuilds(directory, before),
    peer: peer === undefined ? undefined : await openPeer(peer, directory),
    empty: await compilePlainly(directory),
    app: `${directory}/app`,
  };
  say();
  return context;
}

async function benchWithPods(context: BenchContext): Promise<Row[]> {
  const heads = [...RKT_HEADS, ...POD_HEADS, ...MANY_HEADS, ...Object.values(IDLE_HEADS)];
  if (Deno.uid() !== 0) return withoutFigures(heads, "for root alone");
  if (BUSYBOX === undefined) return withoutFigures(heads, "no busybox");
  await makeImage(context.app, { app: { exec: ["/bin/true"] } });
  return [
    ...await benchRkt(context),
    ...await benchPods(context),
    ...await benchManyPods(context),
    ...await benchIdlePods(context),
  ];
}

/** Compiles an empty program without the entrypoints' options, which would make it faster, too. */
async function compilePlainly(directory: string): Promise<string> {
  const runtime = await provideRuntime({ architecture: architecture() });
  await Deno.writeTextFile(`${directory}/empty.js`, "Deno.exit(0);\n");
  const command = [Deno.execPath(), "compile", "--quiet", "--no-config", "--no-code-cache"];
  const env = ["env", "-C", directory, `DENORT_BIN=${runtime}`];
  await must([...env, ...command, "--output=empty", "empty.js"]);
  return `${directory}/empty`;
}

if (import.meta.main) await runProgram("bench", main);
