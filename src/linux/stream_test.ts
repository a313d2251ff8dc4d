import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import type { Bytes } from "./bytes.ts";
import { listDirectory } from "./directory.ts";
import { isOpen } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_RDONLY, O_WRONLY, openFile } from "./open.ts";
import { readText } from "./read_write.ts";
import {
  makeOutputPipe,
  openSharedInput,
  openSharedOutput,
  readAvailable,
  writeShared,
} from "./stream.ts";

const F_GETFL = 3;
const F_SETFL = 4;

const bytes = (text: string): Bytes => new TextEncoder().encode(text);

/** How many bytes can be written before there is no room. */
function fill(write: (bytes: Bytes) => number): number {
  const block = new Uint8Array(8192);
  let total = 0;
  for (let written = -1; written !== 0; total += written) written = write(block);
  return total;
}

Deno.test("a pipe has its bytes, then nothing yet, then its end", () => {
  const { readEnd, writeEnd } = makeOutputPipe();
  using _read = readEnd;
  syscall("write", writeEnd.number, Uint8Array.of(0, 255, 10), 3);
  assertEquals(readAvailable(readEnd.number, 2), Uint8Array.of(0, 255));
  assertEquals(readAvailable(readEnd.number, 2), Uint8Array.of(10));
  assertEquals(readAvailable(readEnd.number, 2), undefined);
  writeEnd[Symbol.dispose]();
  assertEquals(readAvailable(readEnd.number, 2), new Uint8Array(0));
});

Deno.test("a shared pipe is written to without waiting, and waits for others as before", () => {
  const { readEnd, writeEnd } = makeOutputPipe();
  using _read = readEnd;
  using _write = writeEnd;
  const flags = syscall("fcntl", writeEnd.number, F_GETFL, 0);
  using output = openSharedOutput(writeEnd.number);
  assertEquals(fill(output.write), 65_536);
  assertEquals(syscall("fcntl", writeEnd.number, F_GETFL, 0), flags);
});

Deno.test("a pipe that cannot be opened again is written to as far as there is room", () => {
  const { readEnd, writeEnd } = makeOutputPipe();
  using _read = readEnd;
  using _write = writeEnd;
  assertEquals(fill((block) => writeShared(writeEnd.number, block)), 65_536);
});

/** Without the descriptor by which they are listed. */
const openFds = () => listDirectory("/proc/self/fd").map(Number).filter(isOpen);

Deno.test("a shared socket is written to without waiting", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "volo-stream-" });
  try {
    const address = { transport: "unix", path: `${directory}/socket` } as const;
    using _listener = Deno.listen(address);
    const before = openFds();
    using _connection = await Deno.connect(address);
    const socket = openFds().find((fd) => !before.includes(fd))!;
    syscall("fcntl", socket, F_SETFL, 0);
    using output = openSharedOutput(socket);
    assertEquals(fill(output.write) > 8192, true);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a shared file is written to where it stands", () => {
  const path = Deno.makeTempFileSync({ prefix: "volo-stream-" });
  try {
    using file = openFile(path, O_WRONLY);
    syscall("write", file.number, bytes("first "), 6);
    using output = openSharedOutput(file.number);
    assertEquals(output.write(bytes("second")), 6);
    using reader = openFile(path, O_RDONLY);
    assertEquals(readText(reader, 100), "first second");
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("writing to a pipe that nobody reads any more fails", () => {
  const { readEnd, writeEnd } = makeOutputPipe();
  using _write = writeEnd;
  using output = openSharedOutput(writeEnd.number);
  readEnd[Symbol.dispose]();
  assertThrows(() => output.write(bytes("x")), Error, "EPIPE");
});

Deno.test("a shared input is read without waiting, though it waits for others", () => {
  const { readEnd, writeEnd } = makeOutputPipe();
  using _read = readEnd;
  using _write = writeEnd;
  syscall("fcntl", readEnd.number, F_SETFL, 0);
  using input = openSharedInput(readEnd.number);
  assertEquals(input.read(10), undefined);
  syscall("write", writeEnd.number, bytes("x"), 1);
  assertEquals(input.read(10), bytes("x"));
});
