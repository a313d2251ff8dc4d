import { assert, assertEquals } from "@std/assert";
import {
  ENTRY_WORDS,
  HOW_WORD,
  MAY_FAIL,
  PARENT_ENDS,
  RESULT_WORD,
  SCRIPT_ADDRESS,
  SCRIPT_FAILURE,
} from "../src/linux/call_script.ts";
import { initInstructions, initProgram } from "./init.ts";

/** A processor's `init`, what executes it here, and what reads its code. */
interface Machine {
  arch: "amd64" | "aarch64";
  /** The emulator, if one is needed. */
  emulator: string[];
  /** The disassembler of binutils and its options. */
  disassembler: string[];
  calls: Record<"write" | "close" | "mmap" | "clone" | "exit_group", number>;
}

const MACHINES: readonly Machine[] = [
  {
    arch: "amd64",
    emulator: Deno.build.arch === "x86_64" ? [] : ["qemu-x86_64-static"],
    disassembler: ["objdump", "-m", "i386:x86-64", "-M", "intel"],
    calls: { write: 1, close: 3, mmap: 9, clone: 56, exit_group: 231 },
  },
  {
    arch: "aarch64",
    emulator: Deno.build.arch === "aarch64" ? [] : ["qemu-aarch64-static"],
    disassembler: ["aarch64-linux-gnu-objdump", "-m", "aarch64"],
    calls: { write: 64, close: 57, mmap: 222, clone: 220, exit_group: 94 },
  },
];

/** A call of a list, as words; what it points to is text that follows the list. */
interface Call {
  name: keyof Machine["calls"];
  args: readonly number[];
  how?: number;
}

/** Where the text is, in the file and in memory. */
const TEXT_OFFSET = 0x1_0000;
const TEXT = SCRIPT_ADDRESS + TEXT_OFFSET;
/** More than one digit, which `init` has to read. */
const FD = 12;
const NO_RESULT = -1n << 63n;

/** What became of a list of calls. */
interface Outcome {
  code: number;
  stdout: string;
  results: (bigint | "not made")[];
}

/** Has `init` make calls. */
async function runInit(machine: Machine, calls: readonly Call[], text = ""): Promise<Outcome> {
  const directory = await Deno.makeTempDir();
  const [program, file] = [`${directory}/init`, `${directory}/list`];
  try {
    await Deno.writeFile(program, initProgram(machine.arch), { mode: 0o755 });
    await Deno.writeFile(file, encode(machine, calls, text));
    const command = [...machine.emulator, program, `${FD}`];
    const { code, stdout } = await new Deno.Command("bash", {
      args: ["-c", `exec ${FD}<>"$1"; shift; exec "$@"`, "bash", file, ...command],
      stdin: "null",
    }).output();
    const words = new BigInt64Array((await Deno.readFile(file)).buffer);
    const results = calls.map((_, i) => words[i * ENTRY_WORDS + RESULT_WORD]!)
      .map((result) => result === NO_RESULT ? "not made" : result);
    return { code, stdout: new TextDecoder().decode(stdout), results };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function encode(machine: Machine, calls: readonly Call[], text: string): Uint8Array {
  const bytes = new Uint8Array(TEXT_OFFSET + 0x1000);
  const words = new BigInt64Array(bytes.buffer);
  calls.forEach(({ name, args, how = 0 }, i) => {
    const entry = words.subarray(i * ENTRY_WORDS, (i + 1) * ENTRY_WORDS);
    entry[0] = BigInt(machine.calls[name]);
    args.forEach((argument, at) => entry[at + 1] = BigInt(argument));
    entry[HOW_WORD] = BigInt(how);
    entry[RESULT_WORD] = NO_RESULT;
  });
  bytes.set(new TextEncoder().encode(text), TEXT_OFFSET);
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

/** Declares a test for each processor; where it needs a program that is not there, it says so. */
function onEachMachine(
  name: string,
  needs: (machine: Machine) => string | undefined,
  test: (machine: Machine) => Promise<void>,
): void {
  for (const machine of MACHINES) {
    const need = needs(machine);
    const missing = isInstalled(need) ? "" : ` (needs ${need})`;
    Deno.test({
      name: `${name}: ${machine.arch}${missing}`,
      ignore: missing !== "",
      fn: () => test(machine),
    });
  }
}

/** Declares a test that executes `init`. */
function executing(name: string, test: (machine: Machine) => Promise<void>): void {
  onEachMachine(name, ({ emulator }) => emulator[0], test);
}

const write = (from: number, to: number): Call => ({
  name: "write",
  args: [1, TEXT + from, to - from],
});
const exit = (status: number): Call => ({ name: "exit_group", args: [status] });
const SIGCHLD = 17;
const EBADF = 9n;
const BAD_FD = 99;

executing("init makes the calls in order, and tells their results", async (machine) => {
  const outcome = await runInit(machine, [write(0, 6), write(6, 11), exit(7)], "hello world");
  assertEquals(outcome, { code: 7, stdout: "hello world", results: [6n, 5n, "not made"] });
});

executing("init passes all six arguments", async (machine) => {
  const [address, readWrite, privateFixed] = [0x2000_0000, 3, 0x12];
  const mmap = [address, 0x1000, readWrite, privateFixed, FD, TEXT_OFFSET];
  const outcome = await runInit(machine, [
    { name: "mmap", args: mmap },
    { name: "write", args: [1, address, 6] },
    exit(0),
  ], "mapped");
  assertEquals(outcome, { code: 0, stdout: "mapped", results: [BigInt(address), 6n, "not made"] });
});

executing("init ends at a call that fails", async (machine) => {
  const close: Call = { name: "close", args: [BAD_FD] };
  const outcome = await runInit(machine, [close, write(0, 2), exit(0)], "no");
  const results: Outcome["results"] = [-EBADF, "not made", "not made"];
  assertEquals(outcome, { code: SCRIPT_FAILURE, stdout: "", results });
});

executing("init goes on after a call that may fail", async (machine) => {
  const close: Call = { name: "close", args: [BAD_FD], how: MAY_FAIL };
  const outcome = await runInit(machine, [close, write(0, 3), exit(0)], "yes");
  assertEquals(outcome, { code: 0, stdout: "yes", results: [-EBADF, 3n, "not made"] });
});

executing("a parent ends where only the child is to go on", async (machine) => {
  const clone: Call = { name: "clone", args: [SIGCHLD, 0, 0, 0, 0], how: PARENT_ENDS };
  const { code, stdout } = await runInit(machine, [clone, write(0, 5), exit(3)], "child");
  assertEquals({ code, stdout }, { code: 0, stdout: "child" });
});

onEachMachine(
  "a disassembler finds the instructions that the source says",
  ({ disassembler }) => disassembler[0],
  async ({ arch, disassembler: [program, ...options] }) => {
    const instructions = initInstructions(arch);
    const code = Uint8Array.fromHex(instructions.map(([digits]) => digits).join(""));
    const file = await Deno.makeTempFile();
    await Deno.writeFile(file, code);
    const args = ["-D", "-z", "--no-show-raw-insn", "-b", "binary", ...options, file];
    const { stdout } = await new Deno.Command(program!, { args }).output();
    await Deno.remove(file);
    const found = new TextDecoder().decode(stdout).matchAll(/^ +([0-9a-f]+):\s+(\S+)/gm);
    let offset = 0;
    const expected = instructions.map(([digits, text]) => {
      const line = [offset.toString(16), text.split(" ")[0]!];
      offset += digits.length / 2;
      return line;
    });
    assertEquals([...found].map(([, at, mnemonic]) => [at, mnemonic]), expected);
  },
);

Deno.test("init is small, and nothing of it is both writable and executable", () => {
  for (const { arch } of MACHINES) {
    const program = initProgram(arch);
    assert(program.length < 512, `${arch}: ${program.length} bytes`);
    const view = new DataView(program.buffer);
    const headers = [64, 120].map((at) => [view.getUint32(at, true), view.getUint32(at + 4, true)]);
    const [load, stack] = headers;
    assertEquals(load, [1, 4 | 1]);
    assertEquals(stack, [0x6474_e551, 4 | 2]);
  }
});
