import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describeError } from "../src/stage1/entrypoint.ts";
import { asksForHelp, type CommandLine, readArguments, WrongUse } from "./command_line.ts";
import { formatHelp } from "./help.ts";
import { choice, count, existingFile, flag, newFile } from "./option.ts";
import { readVariable } from "./variables.ts";

const COMMAND = {
  name: "bake",
  purpose: "Bakes.",
  options: {
    loaves: count({ meaning: "how many", fallback: 2, most: 99 }),
    flour: choice("KIND", ["rye", "wheat"], { meaning: "of what", fallback: "rye" }),
    recipe: existingFile("how it is done"),
    output: newFile("where it goes", "the table"),
    quiet: flag("say nothing"),
  },
  operands: { name: "OVEN", meaning: "where", most: 1 },
  rest: { name: "WORD…", meaning: "what the baker is told" },
  examples: ["--flour=wheat"],
} satisfies CommandLine;

function refusal(...args: string[]): string {
  return describeError(assertThrows(() => readArguments(COMMAND, args), WrongUse));
}

Deno.test("a task gets the values of its options, and the rest", () => {
  const { options, operands, rest } = readArguments(COMMAND, [
    ...["--loaves=3", "--flour", "wheat", "--quiet", "big", "--", "--more"],
  ]);
  const loaves: number = options.loaves;
  const flour: "rye" | "wheat" = options.flour;
  const quiet: boolean = options.quiet;
  assertEquals([loaves, flour, quiet], [3, "wheat", true]);
  assertEquals([operands, rest], [["big"], ["--more"]]);
});

Deno.test("an option that is not given has its default", () => {
  const { options } = readArguments(COMMAND, []);
  const { loaves, flour, recipe, quiet, debug } = options;
  assertEquals([loaves, flour, recipe, quiet, debug], [2, "rye", undefined, false, false]);
});

Deno.test("what a task does not know is refused by its name, with what may be meant", () => {
  assertEquals(refusal("--loafs=3"), "--loafs: there is no such option: is --loaves meant?");
  assertEquals(refusal("--zzz"), "--zzz: there is no such option");
  assertEquals(refusal("-q"), "-q: there is no such option");
  assertEquals(refusal("a", "b"), "b: is too much, as the task takes one OVEN");
  assertEquals(refusal("--no-quiet"), "--no-quiet: there is no such option");
});

Deno.test("a value that an option cannot have is refused, with the option's name", () => {
  const range = "is not a whole number from 1 to 99";
  for (const text of ["0", "100", "abc", "1.5", "-1", "1e1", " 3", "Infinity", "0x3"]) {
    assertEquals(refusal(`--loaves=${text}`), `--loaves: ${JSON.stringify(text)} ${range}`);
  }
  assertEquals(refusal("--flour=ry"), '--flour: "ry" is not rye or wheat: is rye meant?');
  assertEquals(refusal("--flour=oats"), '--flour: "oats" is not rye or wheat');
  assertEquals(refusal("--recipe=/no/such"), "--recipe: /no/such: there is no such file");
  assertEquals(refusal("--recipe=/tmp"), "--recipe: /tmp: is a directory");
  assertEquals(refusal("--output=/no/such"), "--output: /no: there is no such directory");
  assertEquals(refusal("--output=/tmp"), "--output: /tmp: is a directory");
});

Deno.test("an option without its value, twice, or a flag with a value is refused", () => {
  assertEquals(refusal("--loaves"), "--loaves: needs a value");
  assertEquals(refusal("--loaves="), "--loaves: needs a value");
  assertEquals(refusal("--loaves=3", "--loaves=4"), "--loaves: is given 2 times");
  assertEquals(refusal("--quiet=no"), "--quiet: takes no value");
});

Deno.test("a variable that has a wrong value is refused by its name, and an empty one is none", () => {
  const wrong = (name: Parameters<typeof readVariable>[0], value: string) =>
    describeError(assertThrows(() => readVariable(name, value), Error));
  assertEquals(
    wrong("SOURCE_DATE_EPOCH", "x"),
    'SOURCE_DATE_EPOCH: "x" is not a number of seconds',
  );
  assertEquals(wrong("STAGE1", "/no/such"), "STAGE1: /no/such: there is no such file");
  assertEquals(wrong("VOLO_ALL", "yes"), 'VOLO_ALL: "yes" is not 1 or 0');
  assertEquals(readVariable("STAGE1", ""), undefined);
});

Deno.test("help is asked for by --help and -h, but not where these are for somebody else", () => {
  assertEquals([["--help"], ["x", "-h"], ["--", "--help"]].map(asksForHelp), [true, true, false]);
});

Deno.test("help has all that can be said, with its defaults", () => {
  const help = formatHelp(COMMAND);
  for (
    const line of [
      "task bake [OPTION…] [OVEN] [-- WORD…]\n",
      "  --loaves=N     how many (default: 2)\n",
      "  --flour=KIND   of what (default: rye)\n",
      "  --quiet        say nothing\n",
      "  NO_COLOR=1     print no colours\n",
      "task bake --flour=wheat",
    ]
  ) assertStringIncludes(help, line);
});
