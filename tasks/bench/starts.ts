/**
 * The start of each entrypoint, compared with that of an empty compiled program.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { type ProgramName, PROGRAMS } from "../../image/entrypoints.ts";
import type { Contender, Measurement } from "../measure.ts";
import type { BenchContext } from "./context.ts";
import { report } from "./report.ts";
import type { Row } from "./table.ts";

/** Arguments with which each entrypoint does all of its work that needs no pod. */
const ARGUMENTS: Readonly<Record<ProgramName, readonly string[]>> = {
  run: ["--net=default", "00000000-0000-0000-0000-000000000001"],
  enter: ["--pid=1", "--appname=app", "--", "/bin/true"],
  gc: ["00000000-0000-0000-0000-000000000001"],
  stop: ["00000000-0000-0000-0000-000000000001"],
  "app-add": ["--app=app", "--uuid=00000000-0000-0000-0000-000000000001"],
  "app-rm": ["--app=app"],
  "app-start": ["--app=app"],
  "app-stop": ["--app=app"],
  "attach": ["--action=list", "--app=app"],
};

/** Measures the start of each entrypoint. */
export async function benchStarts(context: BenchContext): Promise<Row[]> {
  const cwd = `${context.directory}/pod`;
  await Deno.mkdir(cwd);
  const rows: Row[] = [];
  for (const program of PROGRAMS) {
    const times = await report(
      `Start-up of ${program}`,
      contenders(context, program, cwd),
      context.rounds,
    );
    rows.push(startRow(context, program, times));
  }
  return rows;
}

function contenders(
  { empty, builds, peer }: BenchContext,
  program: ProgramName,
  cwd: string,
): Contender[] {
  // A descriptor that is not open: `run` fails when it asks the kernel about it.
  const place = { cwd, env: { RKT_LOCK_FD: "999" } };
  const trees = [
    ...builds.map(({ name, trees }) => ({ name, tree: trees.host })),
    ...(peer ? [peer] : []),
  ];
  return [
    { name: "an empty program", argv: [empty], ...place },
    // Earlier builds, and other projects, have fewer entrypoints.
    ...trees.map(({ name, tree }) => ({ name, file: `${tree}/rootfs/${program}` }))
      .filter(({ file }) => existsSync(file))
      .map(({ name, file }) => ({ name, argv: [file, ...ARGUMENTS[program]], ...place })),
  ];
}

function startRow(
  { builds }: BenchContext,
  program: ProgramName,
  times: Map<string, Measurement>,
): Row {
  return {
    what: `start of ${program}`,
    unit: "× an empty program",
    figures: builds.map(({ name }) => times.get(name)?.ratio),
  };
}
