import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import {
  CallScript,
  ENTRY_WORDS,
  HOW_WORD,
  MAY_FAIL,
  PARENT_ENDS,
  RESULT_WORD,
  SCRIPT_ADDRESS,
} from "./call_script.ts";
import { errnoNumber } from "./errno_table.ts";
import { type Fd, makeMemoryFile } from "./file.ts";
import { type Bytes, syscall } from "./libc.ts";
import { SYSCALL_NUMBERS } from "./syscall_numbers.ts";

/** What a list is written to: its words and, at the addresses that they are to have, what they point to. */
class Memory implements Disposable {
  readonly fd: Fd = makeMemoryFile("init");

  word(entry: number, word: number): bigint {
    return this.wordAt(BigInt(SCRIPT_ADDRESS + (entry * ENTRY_WORDS + word) * 8));
  }

  wordAt(address: bigint): bigint {
    return new DataView(this.bytesAt(address, 8).buffer).getBigInt64(0, true);
  }

  textAt(address: bigint, length: number): string {
    return new TextDecoder().decode(this.bytesAt(address, length));
  }

  setResult(entry: number, result: bigint): void {
    const bytes = new Uint8Array(new BigInt64Array([result]).buffer);
    const offset = (entry * ENTRY_WORDS + RESULT_WORD) * 8;
    syscall("pwrite64", this.fd.number, bytes, bytes.length, offset);
  }

  bytesAt(address: bigint, length: number): Bytes {
    const bytes = new Uint8Array(length);
    const offset = address - BigInt(SCRIPT_ADDRESS);
    assertEquals(syscall("pread64", this.fd.number, bytes, length, Number(offset)), length);
    return bytes;
  }

  [Symbol.dispose](): void {
    this.fd[Symbol.dispose]();
  }
}

Deno.test("each call is its number, its arguments, and how to take its result", () => {
  using memory = new Memory();
  const script = new CallScript();
  assertEquals(script.call("setns", 5, 0x4000_0000), 0);
  script.try("close", 7);
  script.onlyAtZero("clone", 17, 0, 0, 0, 0);
  script.writeTo(memory.fd);
  const words = (entry: number) => [0, 1, 2, HOW_WORD].map((word) => memory.word(entry, word));
  assertEquals(words(0), [BigInt(SYSCALL_NUMBERS.setns), 5n, 0x4000_0000n, 0n]);
  assertEquals(words(1), [BigInt(SYSCALL_NUMBERS.close), 7n, 0n, BigInt(MAY_FAIL)]);
  assertEquals(words(2), [BigInt(SYSCALL_NUMBERS.clone), 17n, 0n, BigInt(PARENT_ENDS)]);
  assertEquals(words(3), [BigInt(SYSCALL_NUMBERS.exit_group), 0n, 0n, 0n]);
});

Deno.test("texts, bytes and structures are passed by the address that they will have", () => {
  using memory = new Memory();
  const script = new CallScript();
  script.call("execve", "/bin/é", ["a", "bc", null], [null]);
  script.call("setgroups", 1, Uint8Array.of(1, 2, 3, 4));
  script.call("openat", -100, ".", 0);
  script.writeTo(memory.fd);
  assertEquals(memory.textAt(memory.word(0, 1), 8), "/bin/é\0");
  const argv = memory.word(0, 2);
  assertEquals(memory.textAt(memory.wordAt(argv), 2), "a\0");
  assertEquals(memory.textAt(memory.wordAt(argv + 8n), 3), "bc\0");
  assertEquals(memory.wordAt(argv + 16n), 0n);
  assertEquals(memory.wordAt(memory.word(0, 3)), 0n);
  assertEquals(memory.bytesAt(memory.word(1, 2), 4), Uint8Array.of(1, 2, 3, 4));
  assertEquals(memory.word(2, 1), -100n);
});

/** A list of three calls, the second of which may fail, and what its results come to. */
function failureAfter(...results: number[]): string | undefined {
  using memory = new Memory();
  const script = new CallScript();
  script.call("chdir", "/a");
  script.try("chdir", "/b");
  script.call("chdir", "/c");
  const written = script.writeTo(memory.fd);
  results.forEach((result, entry) => memory.setResult(entry, BigInt(result)));
  return written.failure()?.message;
}

const ENOENT = errnoNumber("ENOENT")!;

Deno.test("the call that ended a list is the one that failed last, and had to succeed", () => {
  assertEquals(failureAfter(), undefined);
  assertEquals(failureAfter(0), undefined);
  assertEquals(failureAfter(-ENOENT)?.split(": ")[0], 'chdir("/a")');
  assertEquals(failureAfter(0, -ENOENT), undefined);
  assertEquals(failureAfter(0, -ENOENT, 0), undefined);
  assertEquals(failureAfter(0, -ENOENT, -ENOENT), 'chdir("/c"): ENOENT, no such file or directory');
});

Deno.test("too many calls, too much data, and a NUL in a text are refused", () => {
  using memory = new Memory();
  const many = new CallScript();
  for (let i = 0; i < 1000; i++) many.call("close", i);
  assertThrows(() => many.writeTo(memory.fd), RangeError, "1001 calls: too many");
  const large = new CallScript();
  large.call("write", 1, new Uint8Array(0x100_0000), 1);
  assertThrows(() => large.writeTo(memory.fd), RangeError, "too much to pass on");
  const odd = new CallScript();
  odd.call("chdir", "/a\0b");
  assertThrows(() => odd.writeTo(memory.fd), TypeError, "NUL");
});
