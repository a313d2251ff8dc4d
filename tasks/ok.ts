/**
 * `deno task ok`: everything that has to be right before a change is: form, types, and tests.
 *
 * @module
 */

import type { CommandLine } from "./command_line.ts";
import { colourSettings, say, step } from "./console.ts";
import { ROOT } from "./project.ts";
import { runTask } from "./run_task.ts";
import { FAILURE, NONE, sumTallies, type Tally } from "./tally.ts";
import { report, runTests } from "./test.ts";
import { TEST_VARIABLES } from "./variables.ts";

const COMMAND = {
  name: "ok",
  purpose:
    "Checks format, lint and types, and runs all tests: what has to be right before a commit.",
  options: {},
  variables: TEST_VARIABLES,
} satisfies CommandLine;

/** The directories with sources. The types of examples in comments are checked, too. */
const SOURCES = ["entry", "image", "src", "tasks", "tests"];

/** Arguments of Deno that check the source without running it. */
const CHECKS = [
  { title: "format", args: ["fmt", "--check"] },
  { title: "lint", args: ["lint", "--quiet"] },
  { title: "types", args: ["check", "--quiet", "--doc", ...SOURCES] },
];

async function check(title: string, args: string[]): Promise<Tally> {
  const options = { args, cwd: ROOT, env: colourSettings() };
  try {
    await step(title, async () => {
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), options).output();
      const decoder = new TextDecoder();
      if (!success) throw new Error(decoder.decode(stdout) + decoder.decode(stderr));
    });
    return NONE;
  } catch (error) {
    say((error as Error).message);
    return FAILURE;
  }
}

async function main(): Promise<number> {
  const tallies: Tally[] = [];
  for (const { title, args } of CHECKS) tallies.push(await check(title, args));
  tallies.push(await runTests());
  return report(sumTallies(tallies));
}

if (import.meta.main) await runTask(COMMAND, main);
