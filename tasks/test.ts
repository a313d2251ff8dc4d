/**
 * `deno task test`: the tests beside the modules, the examples in the documentation, and the tests of
 * the whole system, which need the images.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { describeError } from "../src/stage1/entrypoint.ts";
import { V8_FLAGS } from "./build.ts";
import { buildImages, DEFAULT_BUILD, type ImageBuild } from "./build_image.ts";
import { colourSettings, paint, runTask, say, taskArguments } from "./console.ts";
import { architecture, imagesFor, ROOT } from "./project.ts";
import { machineDirectory, wantsAll } from "./setup.mjs";
import { isSigned, signWithDevelopmentKey } from "./sign.ts";
import { FAILURE, formatTally, NONE, readTally, sumTallies, type Tally } from "./tally.ts";

const USAGE = `Usage: deno task test [FILE…]

Runs all tests, or those in some files or directories.

  --debug  show where an error comes from`;

/** Where tests stand beside what they test. */
const UNIT_TESTS = ["image", "src", "tasks"];

/** Where the tests of the whole system are, and how they start. */
const SYSTEM_TESTS = { directory: "tests", main: "tests/main.ts" };

/**
 * Keeps the mounts of tests away from the machine. Others than root can mount nothing anyway.
 */
const CONTAINED = Deno.uid() === 0 ? ["unshare", "--mount", "--propagation", "private"] : [];

/**
 * Runs tests, and shows what they print as it comes.
 *
 * @param files What to run, relative to the project; everything when empty.
 */
export async function runTests(files: readonly string[] = []): Promise<Tally> {
  const isSystemTest = (file: string) => file.split("/")[0] === SYSTEM_TESTS.directory;
  const system = files.filter(isSystemTest);
  const unit = files.filter((file) => !isSystemTest(file));
  const all = files.length === 0;
  return sumTallies([
    all || unit.length > 0 ? await runUnitTests(all ? UNIT_TESTS : unit) : NONE,
    all || system.length > 0 ? await runSystemTests(system) : NONE,
  ]);
}

async function runUnitTests(files: readonly string[]): Promise<Tally> {
  announce("unit tests and examples");
  // V8 as the compiled programs have it: its compiler could change errno before it is looked at.
  return await run([
    ...CONTAINED,
    Deno.execPath(),
    "test",
    V8_FLAGS,
    "--quiet",
    "--doc",
    "--allow-all",
    ...files,
  ]);
}

async function runSystemTests(files: readonly string[]): Promise<Tally> {
  announce("tests of the whole system");
  try {
    for (const { path } of await buildImages()) {
      // What is new has no signature.
      if (!isSigned(path)) await signWithDevelopmentKey(path);
    }
    if (hasForeignMachine()) await buildImages(FOREIGN_BUILD);
  } catch (error) {
    say(`the images could not be built: ${describeError(error)}`);
    return FAILURE;
  }
  return await run([Deno.execPath(), "run", "--allow-all", SYSTEM_TESTS.main, "--quiet", ...files]);
}

/** The processor that tests have a virtual machine of, whatever this one's is. */
const FOREIGN = architecture("aarch64");

const FOREIGN_BUILD: ImageBuild = {
  ...DEFAULT_BUILD,
  architecture: FOREIGN,
  outputs: imagesFor(FOREIGN),
};

function hasForeignMachine(): boolean {
  const isForeign = FOREIGN.deno !== Deno.build.arch;
  return isForeign && wantsAll(Deno.env.toObject()) && existsSync(machineDirectory("arm64"));
}

async function run([program, ...args]: string[]): Promise<Tally> {
  const pipes = { stdin: "null", stdout: "piped" } as const;
  const child = new Deno.Command(program!, { args, cwd: ROOT, env: colourSettings(), ...pipes })
    .spawn();
  const [shown, read] = child.stdout.tee();
  await shown.pipeTo(Deno.stdout.writable, { preventClose: true });
  const output = await new Response(read).text();
  return readTally(output, (await child.status).success);
}

function announce(title: string): void {
  say(`\n${paint("bold", title)}`);
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

async function main(args: string[]): Promise<number> {
  const { _: files } = taskArguments(args, { usage: USAGE });
  return report(await runTests(files));
}

if (import.meta.main) await runTask("test", main);
