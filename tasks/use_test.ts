/** How the tasks are called: each is run, and does nothing when it is called wrongly. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { ROOT } from "./project.ts";

/** The tasks that are called by people, from deno.json. */
const TASKS = Object.keys(config.tasks).filter((name) => name !== "libraries");

/** Tasks that take any number of arguments, which have to be there; the others take none. */
const WITH_ARGUMENTS = ["sign", "verify", "explain", "test"];

/** An option of each task that has one with values, and a value that it cannot have. */
const WRONG_VALUES = [
  ["build-image", "--flavor=hots", /--flavor: "hots" is not host or isolated: is host meant\?/],
  ["build-image", "--arch=i386", /--arch: "i386" is not amd64 or aarch64/],
  ["build-image", "--output=/no/such/image", /--output: \/no\/such: there is no such directory/],
  ["build-image", "--output=/tmp/image", /--output: .* --flavor/],
  ["bench", "--rounds=x", /--rounds: "x" is not a whole number from 1 to/],
  ["bench", "--before=/no/such", /--before: \/no\/such: there is no such directory/],
  ["soak", "--pods=abc", /--pods: "abc" is not a whole number from 0 to/],
  ["soak", "--at-once=0", /--at-once: "0" is not a whole number from 1 to/],
  ["sign", "--key=/no/such", /--key: \/no\/such: there is no such file/],
  ["verify", "--key=/tmp", /--key: \/tmp: is a directory/],
  ["sign", "README.md", /README\.md: is no image/],
  ["verify", "README.md", /README\.md: is no image/],
  ["test", "/etc", /\/etc: is not in the project/],
  ["explain", "/tmp", /\/tmp: is no pod's directory/],
  ["explain", "--json", /one of --permissions, --fields, --man and POD_DIRECTORY/],
] as const;

/** Variables of tasks, and values that they cannot have. */
const WRONG_VARIABLES = [
  ["build-image", "SOURCE_DATE_EPOCH", "today"],
  ["start", "DENORT_BIN", "/no/such"],
  ["test", "STAGE1", "/no/such"],
  ["ok", "VOLO_ALL", "yes"],
  ["bench", "RKT", "/no/such"],
] as const;

/** The variables by which this test itself is called are none of its tasks'. */
const CLEAN = { VOLO_ALL: "", CI: "", STAGE1: "", STAGE1_ISOLATED: "", RKT: "", NO_COLOR: "1" };

async function use(task: string, args: string[], env: Record<string, string> = {}) {
  const [, ...run] = config.tasks[task as keyof typeof config.tasks].command.split(" ");
  const options = { args: [...run, ...args], cwd: ROOT, env: { ...CLEAN, ...env } };
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), options).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Checks that a task said why it does nothing, and how it is called, and did nothing. */
function assertRefused(task: string, { code, stdout, stderr }: Awaited<ReturnType<typeof use>>) {
  assertEquals([code, stdout], [2, ""], stderr);
  const [first, usage, help, ...more] = stderr.split("\n");
  assert(first!.startsWith(`${task}: `), stderr);
  assertMatch(usage!, new RegExp(`^Usage: .*task ${task}`));
  assertMatch(help!, /--help shows/);
  assertEquals(more, [""]);
}

for (const task of TASKS) {
  Deno.test(`${task} prints its help, and does nothing else`, async () => {
    const { code, stdout, stderr } = await use(task, ["--help", "--no-such-option"]);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, new RegExp(`^Usage: .*task ${task}`));
    assertStringIncludes(stdout, "--debug");
    assertEquals(stdout.split("\n").filter((line) => line.length > 100), []);
  });

  Deno.test(`${task} refuses an option that it does not have, and arguments that it does not take`, async () => {
    const wrongOption = await use(task, ["--hepl"]);
    assertRefused(task, wrongOption);
    assertStringIncludes(wrongOption.stderr, "--hepl: there is no such option: is --help meant?");
    const wrongArgument = await use(task, ["no/such/argument"]);
    assertRefused(task, wrongArgument);
    const why = WITH_ARGUMENTS.includes(task) ? "there is no such" : "is too much";
    assertStringIncludes(wrongArgument.stderr, `no/such/argument: ${why}`);
  });
}

for (const [task, option, expected] of WRONG_VALUES) {
  Deno.test(`${task} refuses ${option}`, async () => {
    const result = await use(task, [option]);
    assertRefused(task, result);
    assertMatch(result.stderr, expected);
  });
}

Deno.test("a task whose reader has gone says nothing", async () => {
  // The reader has gone before anything is written.
  const script = `{ sleep 1; exec "$0" run -A tasks/explain.ts --fields; } | :; echo $PIPESTATUS`;
  const options = { args: ["-c", script, Deno.execPath()], cwd: ROOT, env: CLEAN };
  const { stdout, stderr } = await new Deno.Command("bash", options).output();
  const decoder = new TextDecoder();
  assertEquals([decoder.decode(stdout), decoder.decode(stderr)], ["141\n", ""]);
});

Deno.test("test says that a file has no tests", async () => {
  const { code, stderr } = await use("test", ["tasks/project.ts"]);
  assertEquals([code, stderr], [1, "test: tasks/project.ts: there are no tests\n"]);
});

Deno.test("deno without a command says which there are", async () => {
  const options = { args: ["tasks/deno.mjs"], cwd: ROOT };
  const { code, stderr } = await new Deno.Command("node", options).output();
  assertEquals(code, 2);
  assertStringIncludes(new TextDecoder().decode(stderr), "Usage: npm run deno -- COMMAND");
});

for (const [task, variable, value] of WRONG_VARIABLES) {
  Deno.test(`${task} refuses ${variable}=${value}`, async () => {
    const result = await use(task, [], { [variable]: value });
    assertRefused(task, result);
    assertStringIncludes(result.stderr, `${task}: ${variable}: `);
  });
}
