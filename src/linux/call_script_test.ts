import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import type { Bytes } from "./bytes.ts";
import { CallScript } from "./call_script.ts";
import { errnoNumber } from "./errno_table.ts";
import { syscall } from "./libc.ts";
import { ScriptFiles } from "./script_files.ts";
import {
  ALLOWED_ERROR_SHIFT,
  ALTERNATIVE,
  ENTRY_WORDS,
  EXPECTED_WORD,
  HEADER_WORDS,
  HOW_WORD,
  JUMPS,
  LaterResult,
  MAY_FAIL,
  ONLY_AT_EXPECTED,
  Place,
  SCRIPT_ADDRESS,
  SCRIPT_OFFSET,
  STORES,
  TAKES_RESULT,
  TARGET_SHIFT,
  Within,
} from "./script_format.ts";
import { SYSCALL_NUMBERS } from "./syscall_numbers.ts";

/** A written list: its words and, at the addresses that they will have, what they point to. */
class Memory implements Disposable {
  readonly files = new ScriptFiles();

  word(entry: number, word: number): bigint {
    return this.wordAt(BigInt(SCRIPT_ADDRESS + (HEADER_WORDS + entry * ENTRY_WORDS + word) * 8));
  }

  wordAt(address: bigint): bigint {
    return new DataView(this.bytesAt(address, 8).buffer).getBigInt64(0, true);
  }

  textAt(address: bigint, length: number): string {
    return new TextDecoder().decode(this.bytesAt(address, length));
  }

  /** Writes the report of `init` that a call, counted from 1, has failed. */
  report(entry: number, result: number): void {
    const bytes = new Uint8Array(new BigInt64Array([BigInt(entry), BigInt(result)]).buffer);
    syscall("pwrite64", this.files.report.number, bytes, bytes.length, 0);
  }

  setChild(pid: number): void {
    const bytes = new Uint8Array(new Int32Array([pid]).buffer);
    syscall("pwrite64", this.files.list.number, bytes, bytes.length, 0);
  }

  bytesAt(address: bigint, length: number): Bytes {
    const bytes = new Uint8Array(length);
    const offset = address - BigInt(SCRIPT_ADDRESS - SCRIPT_OFFSET);
    const { number } = this.files.list;
    assertEquals(syscall("pread64", number, bytes, length, Number(offset)), length);
    return bytes;
  }

  [Symbol.dispose](): void {
    this.files[Symbol.dispose]();
  }
}

Deno.test("each call is its number, its arguments, and how to take its result", () => {
  using memory = new Memory();
  const script = new CallScript();
  assertEquals(script.call("setns", 5, 0x4000_0000), 0);
  script.try("close", 7);
  script.allowing(38, "close", 8);
  script.onlyAt(3, "clone", 17, 0, 0, 0, 0);
  script.withResult("write", "x", 1);
  script.writeTo(memory.files);
  const words = (entry: number) =>
    [0, 1, HOW_WORD, EXPECTED_WORD].map((word) => Number(memory.word(entry, word)));
  assertEquals(words(0), [SYSCALL_NUMBERS.setns, 5, 0, 0]);
  assertEquals(words(1), [SYSCALL_NUMBERS.close, 7, MAY_FAIL, 0]);
  assertEquals(words(2), [SYSCALL_NUMBERS.close, 8, MAY_FAIL | 38 << ALLOWED_ERROR_SHIFT, 0]);
  assertEquals(words(3), [SYSCALL_NUMBERS.clone, 17, ONLY_AT_EXPECTED, 3]);
  assertEquals(words(4), [SYSCALL_NUMBERS.write, 0, TAKES_RESULT, 0]);
  assertEquals(words(5), [SYSCALL_NUMBERS.exit_group, 0, 0, 0]);
});

Deno.test("calls carry the pass from where it is given on, in their last two arguments", () => {
  using memory = new Memory();
  const script = new CallScript();
  script.call("close", 7);
  script.passFilter([5n, 2n ** 63n]);
  script.call("setsid");
  assertThrows(() => script.call("ppoll", null, 0, null, null, 0), RangeError, "no room");
  script.writeTo(memory.files);
  const last = (entry: number) => [5, 6].map((word) => memory.word(entry, word));
  assertEquals(last(0), [0n, 0n]);
  assertEquals(last(1), [5n, -(2n ** 63n)]);
  assertEquals(last(2), [5n, -(2n ** 63n)]);
  assertEquals([0, 1].map((word) => memory.wordAt(BigInt(SCRIPT_ADDRESS + word * 8))), last(1));
});

Deno.test("a call can write into bytes that another call is passed", () => {
  using memory = new Memory();
  const script = new CallScript();
  const bytes = new TextEncoder().encode("PID=....");
  script.into("readlinkat", -100, "/proc/self", new Within(bytes, 4), 4);
  script.call("execve", "/app", [null], [bytes, null]);
  script.writeTo(memory.files);
  const place = memory.word(0, 3);
  assertEquals(memory.textAt(place - 4n, 8), "PID=....");
  assertEquals(memory.wordAt(memory.word(1, 3)), place - 4n);
});

Deno.test("texts, bytes and structures are passed by the address that they will have", () => {
  using memory = new Memory();
  const script = new CallScript();
  script.call("execve", "/bin/é", ["a", "bc", null], [null]);
  script.call("setgroups", 1, Uint8Array.of(1, 2, 3, 4));
  script.call("openat", -100, ".", 0);
  script.writeTo(memory.files);
  assertEquals(memory.textAt(memory.word(0, 1), 8), "/bin/é\0");
  const argv = memory.word(0, 2);
  assertEquals(memory.textAt(memory.wordAt(argv), 2), "a\0");
  assertEquals(memory.textAt(memory.wordAt(argv + 8n), 3), "bc\0");
  assertEquals(memory.wordAt(argv + 16n), 0n);
  assertEquals(memory.wordAt(memory.word(0, 3)), 0n);
  assertEquals(memory.bytesAt(memory.word(1, 2), 4), Uint8Array.of(1, 2, 3, 4));
  assertEquals(memory.word(2, 1), -100n);
});

/** A list of two calls, and what is read from a report of it. */
function failureAt(entry: number, result: number): string | undefined {
  using memory = new Memory();
  const script = new CallScript();
  script.call("chdir", "/a");
  script.call("chdir", "/b");
  const written = script.writeTo(memory.files);
  memory.report(entry, result);
  return written.failure()?.message;
}

const ENOENT = errnoNumber("ENOENT")!;

Deno.test("the call that ended a list is the one that was reported", () => {
  assertEquals(failureAt(0, 0), undefined);
  assertEquals(failureAt(1, -ENOENT), 'chdir("/a"): ENOENT, no such file or directory');
  assertEquals(failureAt(2, -ENOENT), 'chdir("/b"): ENOENT, no such file or directory');
});

Deno.test("a report of a call that there is not is none", () => {
  assertEquals(failureAt(3, -ENOENT), undefined);
  assertEquals(failureAt(-1, -ENOENT), undefined);
});

Deno.test("each form of a call but the last may fail, and all by the same errors alone", () => {
  using memory = new Memory();
  const script = new CallScript();
  const forms = ["/a", "/b"].map((path) => ({ args: [path], description: `to ${path}` }));
  const allowed = [1, 2, 3, 4, 5, 133];
  script.firstOf("chdir", forms, allowed);
  const written = script.writeTo(memory.files);
  const hows = [0, 1].map((entry) => memory.word(entry, HOW_WORD));
  assertEquals(hows.map((how) => Number(how & 0xffn)), [MAY_FAIL | ALTERNATIVE, ALTERNATIVE]);
  const errors = 0x8505_0403_0201n;
  assertEquals(hows.map((how) => how >> BigInt(ALLOWED_ERROR_SHIFT)), [errors, errors]);
  memory.report(2, -ENOENT);
  assertEquals(written.failure()?.message, "to /b: ENOENT, no such file or directory");
  const more = new CallScript();
  more.firstOf("chdir", forms, [...allowed, 7]);
  assertThrows(() => more.writeTo(memory.files), RangeError, "too many errors");
});

Deno.test("a call jumps to a place that comes later, and to one that was before", () => {
  using memory = new Memory();
  const script = new CallScript();
  const [before, later] = [new Place(), new Place()];
  script.placeHere(before);
  script.jumpUnless(-ENOENT, later, "chdir", "/a");
  script.jump(before);
  script.placeHere(later);
  script.call("chdir", "/b");
  script.writeTo(memory.files);
  const hows = [0, 1].map((entry) => Number(memory.word(entry, HOW_WORD)));
  assertEquals(hows, [JUMPS | 2 << TARGET_SHIFT, JUMPS]);
  assertEquals(memory.word(0, EXPECTED_WORD), BigInt(-ENOENT));
  const nowhere = new CallScript();
  nowhere.jump(new Place());
  assertThrows(() => nowhere.writeTo(memory.files), RangeError, "no place");
});

Deno.test("a result is stored where a later call expects it", () => {
  using memory = new Memory();
  const script = new CallScript();
  const pid = new LaterResult();
  script.store(pid, "getpid");
  script.call("chdir", "/");
  script.onlyAt(pid, "getppid");
  script.writeTo(memory.files);
  assertEquals(Number(memory.word(0, HOW_WORD)), STORES);
  const expected = SCRIPT_ADDRESS + (HEADER_WORDS + 2 * ENTRY_WORDS + EXPECTED_WORD) * 8;
  assertEquals(memory.word(0, EXPECTED_WORD), BigInt(expected));
  assertEquals(memory.word(2, EXPECTED_WORD), 0n);
  const unheard = new CallScript();
  unheard.store(new LaterResult(), "getpid");
  assertThrows(() => unheard.writeTo(memory.files), RangeError, "no call expects");
});

Deno.test("a list tells which child it made, if it made one", () => {
  using memory = new Memory();
  const written = new CallScript().writeTo(memory.files);
  assertEquals(written.child(), undefined);
  memory.setChild(77);
  assertEquals(written.child(), 77);
});

Deno.test("no file has both the report and anything else", () => {
  using memory = new Memory();
  memory.setChild(77);
  const script = new CallScript();
  script.call("close", 7);
  const written = script.writeTo(memory.files);
  memory.report(1, -9);
  const { size } = Deno.statSync(`/proc/self/fd/${memory.files.report.number}`);
  assertEquals(size, new BigInt64Array(2).byteLength);
  assertEquals(written.child(), 77);
  assertEquals(written.failure()?.is("EBADF"), true);
});

Deno.test("a list can be long, and what several calls point to is in it once", () => {
  using memory = new Memory();
  const script = new CallScript();
  const shared = Uint8Array.of(1, 2, 3, 4);
  for (let i = 0; i < 1000; i++) script.call("setgroups", i, shared);
  script.writeTo(memory.files);
  assertEquals(memory.word(999, 1), 999n);
  assertEquals(memory.word(999, 2), memory.word(0, 2));
  assertEquals(memory.bytesAt(memory.word(999, 2), 4), shared);
});

Deno.test("a structure that several calls point to is in the list once", () => {
  using memory = new Memory();
  const script = new CallScript();
  const variables = ["A=1", null];
  for (const path of ["/a", "/b"]) script.call("execve", path, [path, null], variables);
  script.writeTo(memory.files);
  assertEquals(memory.word(1, 3), memory.word(0, 3));
  assertEquals(memory.textAt(memory.wordAt(memory.word(1, 3)), 4), "A=1\0");
});

Deno.test("too many arguments, too much data, and a NUL in a text are refused", () => {
  using memory = new Memory();
  const many = new CallScript();
  many.call("mmap", 1, 2, 3, 4, 5, 6, 7);
  assertThrows(() => many.writeTo(memory.files), RangeError, "mmap: too many arguments");
  const large = new CallScript();
  large.call("write", 1, new Uint8Array(0x100_0000), 1);
  assertThrows(() => large.writeTo(memory.files), RangeError, "too much to pass on");
  const odd = new CallScript();
  odd.call("chdir", "/a\0b");
  assertThrows(() => odd.writeTo(memory.files), TypeError, "NUL");
});
