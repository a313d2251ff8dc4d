import "../linux/libc_testing.ts";
import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { doNotWait, makeInputPipe, readAvailable } from "../linux/stream.ts";
import { openPty } from "../linux/terminal.ts";
import { AppInput } from "./app_input.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const text = (bytes: Bytes | undefined) => bytes && new TextDecoder().decode(bytes);

Deno.test("an app that does not read has no more taken for it than fits", () => {
  const { readEnd, writeEnd } = makeInputPipe();
  using app = readEnd;
  using input = new AppInput(writeEnd, false);
  input.put(new Uint8Array(100_000));
  assert(!input.hasRoom);
  assertEquals(input.interests().length, 1);
  readAvailable(app.number, 65_536);
  input.flush();
  assert(input.hasRoom);
  assertEquals(input.interests(), []);
});

Deno.test("a pipe ends behind the last byte", () => {
  const { readEnd, writeEnd } = makeInputPipe();
  using app = readEnd;
  using input = new AppInput(writeEnd, false);
  input.put(bytes("last"));
  input.end();
  input.put(bytes("too late"));
  assertEquals(text(readAvailable(app.number, 100)), "last");
  assertEquals(readAvailable(app.number, 100), bytes(""));
});

Deno.test("what an app no longer reads is dropped", () => {
  const { readEnd, writeEnd } = makeInputPipe();
  using input = new AppInput(writeEnd, false);
  readEnd[Symbol.dispose]();
  input.put(bytes("for nobody"));
  assert(input.hasRoom);
  assertEquals(input.interests(), []);
});

Deno.test("a terminal's input ends by its key, also behind the beginning of a line", () => {
  for (const typed of ["", "line\n", "no line"]) {
    using devpts = openFile("/dev/pts", O_PATH | O_DIRECTORY);
    const { master, slave } = openPty(devpts);
    using _master = master;
    using app = slave;
    doNotWait(app);
    using input = new AppInput(master, true);
    if (typed !== "") input.put(bytes(typed));
    input.end();
    const read = typed === "" ? [] : [text(readAvailable(app.number, 100))];
    assertEquals(read, typed === "" ? [] : [typed]);
    assertEquals(text(readAvailable(app.number, 100)), "");
    assertEquals(readAvailable(app.number, 100), undefined);
  }
});
