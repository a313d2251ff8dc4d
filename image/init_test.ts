import { assert, assertEquals } from "@std/assert";
import { ERRNO } from "../src/linux/errno.ts";
import {
  ALLOWED_ERROR_SHIFT,
  ALTERNATIVE,
  CHILD_ADDRESS,
  CHILD_SIZE,
  ENTRY_WORDS,
  ERROR_COUNT,
  ERROR_TEXT_SIZE,
  EXPECTED_WORD,
  HEADER_WORDS,
  HOW_WORD,
  JUMPS,
  LOADS,
  MAY_FAIL,
  NO_CALL,
  ONLY_AT_EXPECTED,
  REPORT_ADDRESS,
  REPORT_SIZE,
  SCRIPT_ADDRESS,
  SCRIPT_FAILURE,
  SCRIPT_OFFSET,
  SCRIPT_SIZE,
  STORES,
  TAKES_RESULT,
  TARGET_SHIFT,
} from "../src/linux/script_format.ts";
import { compileNative, type NativeArchitecture } from "./native.ts";

/** A processor's `init`, with the compiler and the emulator for it on this machine. */
interface Machine {
  arch: NativeArchitecture;
  compiler: string;
  /** The emulator, if one is needed. */
  emulator: string[];
  calls: Record<
    "write" | "read" | "close" | "dup" | "mmap" | "madvise" | "clone" | "exit_group",
    number
  >;
}

const MACHINES: readonly Machine[] = [
  {
    arch: "amd64",
    compiler: Deno.build.arch === "x86_64" ? "gcc" : "x86_64-linux-gnu-gcc",
    emulator: Deno.build.arch === "x86_64" ? [] : ["qemu-x86_64-static"],
    calls: {
      read: 0,
      write: 1,
      close: 3,
      mmap: 9,
      madvise: 28,
      dup: 32,
      clone: 56,
      exit_group: 231,
    },
  },
  {
    arch: "aarch64",
    compiler: Deno.build.arch === "aarch64" ? "gcc" : "aarch64-linux-gnu-gcc",
    emulator: Deno.build.arch === "aarch64" ? [] : ["qemu-aarch64-static"],
    calls: {
      dup: 23,
      close: 57,
      read: 63,
      write: 64,
      exit_group: 94,
      clone: 220,
      mmap: 222,
      madvise: 233,
    },
  },
];

/** A call in a list. Its pointers lead to text that follows the list. */
interface Call {
  name: keyof Machine["calls"];
  args: readonly number[];
  how?: number;
  expected?: number;
  /** Whether a failure is reported on stderr, behind the text. */
  reports?: boolean;
}

/** The place of the text, in the file of the list and in memory. */
const TEXT_OFFSET = 0x1_0000;
const TEXT = SCRIPT_ADDRESS + TEXT_OFFSET;
/** The place of the names of errors, in the file of the list. */
const ERRORS_OFFSET = 0x2_0000;
/** The descriptors of the list and the report: `init` has to read both digits of each number. */
const FD = 12;
const REPORT_FD = 13;

/** The outcome of a list of calls. */
interface Outcome {
  code: number;
  stdout: string;
  /** The call that ended the list, counted from 1, and its result. */
  report: [entry: number, result: number];
}

/** The size of a report: two words. */
const REPORT_BYTES = 16;
/** A script that executes a program with two files open. */
const OPEN = `exec ${FD}<>"$1" ${REPORT_FD}<>"$2"; shift 2; exec "$@"`;

/** Executes `init` with a list of calls. */
async function runInit(machine: Machine, calls: readonly Call[], text = ""): Promise<Outcome> {
  const { stderr: _stderr, ...outcome } = await runWithStderr(machine, calls, text);
  return outcome;
}

async function runWithStderr(machine: Machine, calls: readonly Call[], text = "") {
  const directory = await Deno.makeTempDir();
  const [program, file] = [`${directory}/init`, `${directory}/list`];
  const reported = `${directory}/report`;
  try {
    await Deno.writeFile(program, compileNative("init", machine.arch).bytes, { mode: 0o755 });
    await Deno.writeFile(file, encode(machine, calls, text));
    await Deno.writeFile(reported, new Uint8Array(REPORT_BYTES));
    const command = [...machine.emulator, program, `${FD}`, `${REPORT_FD}`];
    const { code, stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", OPEN, "bash", file, reported, ...command],
      stdin: "null",
    }).output();
    const [entry = 0n, result = 0n] = new BigInt64Array((await Deno.readFile(reported)).buffer);
    const report: Outcome["report"] = [Number(entry), Number(result)];
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: decode(stdout), stderr: decode(stderr), report };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function encode(machine: Machine, calls: readonly Call[], text: string): Uint8Array {
  const bytes = new Uint8Array(SCRIPT_OFFSET + ERRORS_OFFSET + ERROR_COUNT * ERROR_TEXT_SIZE);
  const words = new BigInt64Array(bytes.buffer, SCRIPT_OFFSET);
  words[HEADER_WORDS - 1] = BigInt(SCRIPT_ADDRESS + ERRORS_OFFSET);
  calls.forEach(({ name, args, how = 0, expected = 0, reports = false }, i) => {
    const at = HEADER_WORDS + i * ENTRY_WORDS;
    const entry = words.subarray(at, at + ENTRY_WORDS);
    entry[0] = BigInt(machine.calls[name]);
    args.forEach((argument, at) => entry[at + 1] = BigInt(argument));
    entry[HOW_WORD] = BigInt(how);
    entry[EXPECTED_WORD] = BigInt(expected);
    entry[ENTRY_WORDS - 1] = BigInt(reports ? TEXT : 0);
  });
  const put = (text: string, at: number) =>
    bytes.set(new TextEncoder().encode(text), SCRIPT_OFFSET + at);
  put(text, TEXT_OFFSET);
  put("EBADF\n", ERRORS_OFFSET + EBADF * ERROR_TEXT_SIZE);
  return bytes;
}

function isInstalled(program: string | undefined): boolean {
  if (program === undefined) return true;
  const { success } = new Deno.Command("sh", {
    args: ["-c", 'command -v "$1"', "sh", program],
    stdout: "null",
  }).outputSync();
  return success;
}

/** Declares a test for each processor. It is skipped when a program that it needs is missing. */
function onEachMachine(
  name: string,
  needs: (machine: Machine) => (string | undefined)[],
  test: (machine: Machine) => Promise<void>,
): void {
  for (const machine of MACHINES) {
    const missed = needs(machine).filter((program) => !isInstalled(program));
    const missing = missed.length === 0 ? "" : ` (needs ${missed.join(", ")})`;
    Deno.test({
      name: `${name}: ${machine.arch}${missing}`,
      ignore: missing !== "",
      fn: () => test(machine),
    });
  }
}

/** Declares a test that executes `init`. */
function executing(name: string, test: (machine: Machine) => Promise<void>): void {
  onEachMachine(name, ({ compiler, emulator }) => [compiler, emulator[0]], test);
}

const write = (from: number, to: number): Call => ({
  name: "write",
  args: [1, TEXT + from, to - from],
});
const exit = (status: number): Call => ({ name: "exit_group", args: [status] });
const SIGCHLD = 17;
const CLONE_PARENT_SETTID = 0x10_0000;
const EBADF = 9;
const BAD_FD = 99;
const NOTHING: Outcome["report"] = [0, 0];

executing("init makes the calls in order", async (machine) => {
  const outcome = await runInit(machine, [write(0, 6), write(6, 11), exit(7)], "hello world");
  assertEquals(outcome, { code: 7, stdout: "hello world", report: NOTHING });
});

executing("init passes all six arguments", async (machine) => {
  const [address, readWrite, anonymousFixed] = [0x2000_0000, 3, 0x32];
  const mmap = [address, 0x1000, readWrite, anonymousFixed, -1, 0];
  const outcome = await runInit(machine, [
    { name: "mmap", args: mmap, how: ONLY_AT_EXPECTED, expected: address },
    { name: "write", args: [1, address, 6] },
    exit(0),
  ]);
  assertEquals(outcome, { code: 0, stdout: "\0".repeat(6), report: NOTHING });
});

executing("init ends at a call that fails, and tells which", async (machine) => {
  const close: Call = { name: "close", args: [BAD_FD] };
  const outcome = await runInit(machine, [write(0, 2), close, write(0, 2), exit(0)], "no");
  assertEquals(outcome, { code: SCRIPT_FAILURE, stdout: "no", report: [2, -EBADF] });
});

executing("init says what failed where nobody else is left to", async (machine) => {
  const close: Call = { name: "close", args: [BAD_FD], reports: true };
  const { code, stderr } = await runWithStderr(machine, [close, exit(0)], "run: close(): \0");
  assertEquals({ code, stderr }, { code: SCRIPT_FAILURE, stderr: "run: close(): EBADF\n" });
});

executing("init goes on after a call that may fail", async (machine) => {
  const close: Call = { name: "close", args: [BAD_FD], how: MAY_FAIL };
  const outcome = await runInit(machine, [close, write(0, 3), exit(0)], "yes");
  assertEquals(outcome, { code: 0, stdout: "yes", report: NOTHING });
});

executing("a call may fail with one error and no other", async (machine) => {
  const closing = (error: number): Call => ({
    name: "close",
    args: [BAD_FD],
    how: MAY_FAIL | error << ALLOWED_ERROR_SHIFT,
  });
  assertEquals((await runInit(machine, [closing(EBADF), exit(3)])).code, 3);
  const { code, report } = await runInit(machine, [closing(EBADF + 1), exit(3)]);
  assertEquals({ code, report }, { code: SCRIPT_FAILURE, report: [1, -EBADF] });
});

executing("a call may fail with each of several errors", async (machine) => {
  const closing = (...errors: number[]): Call => {
    const allowed = errors.reduce((all, error, i) => all + error * 2 ** (8 * i), 0);
    return { name: "close", args: [BAD_FD], how: MAY_FAIL + allowed * 2 ** ALLOWED_ERROR_SHIFT };
  };
  assertEquals((await runInit(machine, [closing(1, EBADF), exit(3)])).code, 3);
  assertEquals((await runInit(machine, [closing(1, 2, 3, 4, EBADF), exit(3)])).code, 3);
  assertEquals((await runInit(machine, [closing(1, 2, 3), exit(3)])).report, [1, -EBADF]);
});

executing("a call can have the result of the one before", async (machine) => {
  const writing: Call = { ...write(0, 2), how: TAKES_RESULT };
  const outcome = await runInit(machine, [{ name: "dup", args: [1] }, writing, exit(0)], "ok");
  assertEquals(outcome, { code: 0, stdout: "ok", report: NOTHING });
});

executing("a parent ends where only the child is to go on", async (machine) => {
  const how = ONLY_AT_EXPECTED;
  const clone: Call = { name: "clone", args: [SIGCHLD, 0, 0, 0, 0], how };
  const { code, stdout } = await runInit(machine, [clone, write(0, 5), exit(3)], "child");
  assertEquals({ code, stdout }, { code: 0, stdout: "child" });
});

executing("the list is out of reach once it is begun", async (machine) => {
  for (const fd of [FD, REPORT_FD]) {
    const read: Call = { name: "read", args: [fd, TEXT, 1] };
    const { report } = await runInit(machine, [read, exit(0)]);
    assertEquals(report, [1, -EBADF]);
  }
});

executing(
  "init goes back to a call as long as a result is not the expected one",
  async (machine) => {
    const firstArgument = SCRIPT_ADDRESS + (HEADER_WORDS + 2 * ENTRY_WORDS + 1) * 8;
    const outcome = await runInit(machine, [
      { name: "dup", args: [1], how: STORES, expected: firstArgument },
      write(0, 1),
      { name: "close", args: [BAD_FD], how: JUMPS | 1 << TARGET_SHIFT, expected: -EBADF },
      exit(5),
    ], "again");
    assertEquals(outcome, { code: 5, stdout: "aa", report: NOTHING });
  },
);

executing("init goes on behind calls that it is to leave out", async (machine) => {
  const jump = { how: JUMPS | 2 << TARGET_SHIFT, expected: 0 };
  const outcome = await runInit(machine, [{ ...write(0, 1), ...jump }, exit(1), exit(6)], "once");
  assertEquals(outcome, { code: 6, stdout: "o", report: NOTHING });
});

executing(
  "init compares a result with a number in memory, and looks at it again",
  async (machine) => {
    // The number is the text's first four bytes.
    const text = "\x02\0\0\0";
    const other = { how: JUMPS | LOADS | 3 << TARGET_SHIFT, expected: TEXT };
    const again = { how: JUMPS | NO_CALL | 6 << TARGET_SHIFT, expected: 1 };
    const outcome = await runInit(machine, [
      { ...write(0, 2), ...other },
      { ...write(0, 1), ...other },
      exit(1),
      { name: "close", args: [], ...again },
      exit(7),
      exit(2),
      exit(3),
    ], text);
    assertEquals(outcome, { code: 7, stdout: "\x02\0\x02", report: NOTHING });
  },
);

executing("an error that no jump expects ends the list", async (machine) => {
  const close: Call = { name: "close", args: [BAD_FD], how: JUMPS | 1 << TARGET_SHIFT };
  const { code, report } = await runInit(machine, [close, exit(0)]);
  assertEquals({ code, report }, { code: SCRIPT_FAILURE, report: [1, -EBADF] });
});

onEachMachine("a child has no way to where its number is told", ({ compiler, emulator }) => [
  compiler,
  // Under an emulator, a child inherits that page.
  ...emulator.map(() => "this processor itself"),
], async (machine) => {
  const flags = CLONE_PARENT_SETTID | SIGCHLD;
  const EFAULT = 14;
  const clone: Call = { name: "clone", args: [flags, 0, CHILD_ADDRESS, 0, 0], how: 2 };
  const { report } = await runInit(machine, [clone, {
    name: "write",
    args: [1, CHILD_ADDRESS, 4],
  }, exit(0)]);
  assertEquals(report, [2, -EFAULT]);
});

Deno.test("init.c has the numbers of script_format.ts", async () => {
  const source = await Deno.readTextFile(new URL("init.c", import.meta.url));
  const defined = new Map(
    [...source.matchAll(/^#define (\w+) (0x[0-9a-f]+|[0-9]+)L?\b/gm)]
      .map(([, name, value]) => [name!, Number(value)]),
  );
  const expected = {
    ALLOWED_ERROR_SHIFT,
    ALTERNATIVE,
    CHILD_ADDRESS,
    CHILD_SIZE,
    EACCES: ERRNO.EACCES,
    ERROR_COUNT,
    ERROR_TEXT_SIZE,
    JUMPS,
    LOADS,
    MAY_FAIL,
    NO_CALL,
    ONLY_AT_EXPECTED,
    REPORT_ADDRESS,
    REPORT_SIZE,
    SCRIPT_ADDRESS,
    SCRIPT_FAILURE,
    SCRIPT_SIZE,
    STORES,
    TAKES_RESULT,
    TARGET_SHIFT,
  };
  const found = Object.keys(expected).map((name) => [name, defined.get(name)]);
  assertEquals(Object.fromEntries(found), expected);
});

onEachMachine(
  "init is small, and nothing of it is both writable and executable",
  ({ compiler }) => [compiler],
  (machine) => {
    const { bytes } = compileNative("init", machine.arch);
    assert(bytes.length < 2048, `${bytes.length} bytes`);
    assertEquals(compileNative("init", machine.arch).bytes, bytes);
    const headers = programHeaders(bytes);
    const [PT_LOAD, PT_GNU_STACK] = [1, 0x6474_e551];
    const [EXECUTABLE, WRITABLE] = [1, 2];
    assertEquals(headers.map(({ type }) => type), [PT_LOAD, PT_GNU_STACK]);
    for (const { flags } of headers) assert((flags & (EXECUTABLE | WRITABLE)) !== 3);
    return Promise.resolve();
  },
);

function programHeaders(program: Uint8Array<ArrayBuffer>): { type: number; flags: number }[] {
  const view = new DataView(program.buffer);
  const [size, count] = [view.getUint16(54, true), view.getUint16(56, true)];
  return Array.from({ length: count }, (_, i) => 64 + i * size)
    .map((at) => ({ type: view.getUint32(at, true), flags: view.getUint32(at + 4, true) }));
}
