/**
 * `deno task test`: the tests beside the modules, the examples in the documentation, and the tests
 * of the whole system, which need the images. They run side by side.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { describeError } from "../src/stage1/entrypoint.ts";
import { V8_FLAGS } from "./build.ts";
import { buildImages } from "./build_image.ts";
import type { Arguments, CommandLine } from "./command_line.ts";
import { paint, say } from "./console.ts";
import { architecture } from "./project.ts";
import { runTask } from "./run_task.ts";
import { machineDirectory, wantsAll } from "./setup.mjs";
import { isSigned, signWithDevelopmentKey } from "./sign.ts";
import { tellSkipped } from "./skipped.ts";
import { formatTally, sumTallies, type Tally } from "./tally.ts";
import {
  listSystemTests,
  planFiles,
  requireTests,
  type Schedule,
  SYSTEM_TESTS,
  UNIT_TESTS,
} from "./test_files.ts";
import {
  failedRun,
  prepareTests,
  type RunEnd,
  runTestsOf,
  sideBySide,
  type TestRun,
} from "./test_runs.ts";
import { TEST_VARIABLES } from "./variables.ts";

const COMMAND = {
  name: "test",
  purpose: "Runs all tests, or those in some files or directories.",
  options: {},
  operands: {
    name: "FILE…",
    meaning: "files with tests, or directories of them, such as src/plan or tests/gc_test.ts",
    most: Infinity,
    check: requireTests,
  },
  variables: TEST_VARIABLES,
  examples: ["src/plan tests/gc_test.ts"],
} satisfies CommandLine;

/** What runs the tests of a file of the system's. */
const SYSTEM_MAIN = `${SYSTEM_TESTS}/main.ts`;

/**
 * How many files are tested at a time. Their pods keep the processors busy: more files would make
 * tests wait longer than they have patience for, and end no earlier.
 */
const WIDTH = Math.max(2, navigator.hardwareConcurrency);

/** Keeps the mounts of tests away from the machine. Others than root can mount nothing anyway. */
const CONTAINED = Deno.uid() === 0 ? ["unshare", "--mount", "--propagation", "private"] : [];

/**
 * Runs tests side by side. Each file of the system's has a mount namespace, a temporary directory
 * and unpacked images of its own; the programs of attackers are built once for all.
 *
 * @param files What to run, relative to the project; everything when empty.
 */
export async function runTests(files: readonly string[] = []): Promise<Tally> {
  const { unit, system } = await select(files);
  const ends: RunEnd[] = [];
  // Tests beside the modules build images, too: of what is there, nothing is built again.
  if (system.length > 0 && !await buildForTests()) ends.push(failedRun("the images"));
  const plan = planFiles(ends.length > 0 ? [] : system);
  const showsAll = unit.length + system.length === 1;
  const programs = await Deno.makeTempDir({ prefix: "stage1-programs-" });
  const run = (it: TestRun) => runTestsOf({ ...it, env: { STAGE1_PROGRAMS: programs } }, showsAll);
  try {
    const machines = testMachines(plan, run);
    const first = [...unit.map(unitRun), ...plan.sideBySide.map(systemRun)];
    ends.push(...await sideBySide(first, WIDTH, run), ...await machines);
    ends.push(...await sideBySide(plan.alone.map(systemRun), 1, run));
  } finally {
    await Deno.remove(programs, { recursive: true });
  }
  tellMisses(ends);
  return sumTallies(ends.map(({ tally }) => tally));
}

/** Runs the files of virtual machines one after the other, those of the other processor last. */
async function testMachines(
  { machines, foreign }: Schedule,
  run: (it: TestRun) => Promise<RunEnd>,
): Promise<RunEnd[]> {
  const ends = await sideBySide(machines.map(systemRun), 1, run);
  if (foreign.length > 0 && hasForeignMachine() && !await prepareTests(FOREIGN_BUILD)) {
    return [...ends, failedRun(FOREIGN_BUILD.title)];
  }
  return [...ends, ...await sideBySide(foreign.map(systemRun), 1, run)];
}

/** What to run: paths of tests beside modules, and names of files of the system's tests. */
async function select(
  files: readonly string[],
): Promise<{ unit: readonly string[]; system: readonly string[] }> {
  if (files.length === 0) return { unit: UNIT_TESTS, system: await listSystemTests() };
  const [unit, system]: [string[], string[]] = [[], []];
  for (const file of files) {
    const [first, ...rest] = file.replace(/^\.\//, "").split("/");
    const name = rest.join("/");
    if (first !== SYSTEM_TESTS) unit.push(file);
    else if (name === "") system.push(...await listSystemTests());
    else system.push(name);
  }
  return { unit, system };
}

// No run checks types: `deno task ok` has checked all of them at once.

function unitRun(path: string): TestRun {
  // V8 as the compiled programs have it: its compiler could change errno before it is looked at.
  const args = ["test", V8_FLAGS, "--no-check", "--quiet", "--doc", "--allow-all", path];
  return { title: path, command: [...CONTAINED, Deno.execPath(), ...args] };
}

function systemRun(name: string): TestRun {
  const title = `${SYSTEM_TESTS}/${name}`;
  const args = ["run", "--no-check", "--allow-all", SYSTEM_MAIN, "--quiet", "--no-check", title];
  return { title, command: [Deno.execPath(), ...args] };
}

/**
 * Builds the images that the tests are of, without compression, whatever was built before.
 *
 * @returns Whether they are there.
 */
async function buildForTests(): Promise<boolean> {
  try {
    for (const { path } of await buildImages()) {
      // What is new has no signature.
      if (!isSigned(path)) await signWithDevelopmentKey(path);
    }
    return true;
  } catch (error) {
    say(`the images could not be built: ${describeError(error)}`);
    return false;
  }
}

/** Tells why tests were skipped, and names what did not hold. */
function tellMisses(ends: readonly RunEnd[]): void {
  const failed = ends.filter(({ tally }) => tally.failed > 0).map(({ title }) => title);
  for (const [what, lines] of [["Skipped", tellSkipped(ends)], ["Failed", failed]] as const) {
    if (lines.length === 0) continue;
    say(`\n${paint("bold", what)}`);
    for (const line of lines) say(`  ${line}`);
  }
}

/** The processor that tests have a virtual machine of, whatever this one's is. */
const FOREIGN = architecture("aarch64");

/** Builds the images for it: emulated, V8 takes a minute to compile the entrypoints. */
const FOREIGN_BUILD: TestRun = {
  title: `images for ${FOREIGN.appc}`,
  command: [
    ...[Deno.execPath(), "run", "--no-check", "--allow-all", "tasks/build_image.ts"],
    ...[`--arch=${FOREIGN.appc}`, "--no-sign"],
  ],
};

function hasForeignMachine(): boolean {
  const isForeign = FOREIGN.deno !== Deno.build.arch;
  return isForeign && wantsAll(Deno.env.toObject()) && existsSync(machineDirectory("arm64"));
}

/**
 * Prints a tally as a task's last line.
 *
 * @returns The task's exit status.
 */
export function report(tally: Tally): number {
  say();
  say(formatTally(tally));
  return tally.failed === 0 ? 0 : 1;
}

async function main({ operands }: Arguments<typeof COMMAND.options>): Promise<number> {
  const tally = await runTests(operands);
  const code = report(tally);
  if (operands.length === 0 || Object.values(tally).some((count) => count > 0)) return code;
  throw new Error(`${operands.join(", ")}: there are no tests`);
}

if (import.meta.main) await runTask(COMMAND, main);
