import { assertEquals, assertThrows } from "@std/assert";
import { codeCacheFile, findRunner, recordingModules, selectModule } from "./code_cache.ts";
import { architecture } from "./project.ts";

const TEXT = new TextEncoder();

/** An entry whose hashes are 1 and 2. */
function entry(data: string, name: string): Uint8Array {
  const start = TEXT.encode(`${data}\0${name}`);
  const bytes = new Uint8Array(start.length + 20);
  bytes.set(start);
  const view = new DataView(bytes.buffer);
  view.setUint32(start.length, name.length, true);
  view.setBigUint64(start.length + 4, 1n, true);
  view.setBigUint64(start.length + 12, 2n, true);
  return bytes;
}

function cache(key: bigint, entries: readonly Uint8Array[]): Uint8Array {
  const header = new DataView(new ArrayBuffer(12 + 8 * entries.length));
  header.setBigUint64(0, key, true);
  header.setUint32(8, entries.length, true);
  entries.forEach(({ length }, i) => header.setBigUint64(12 + 8 * i, BigInt(length), true));
  return Uint8Array.from([...new Uint8Array(header.buffer), ...entries.flatMap((e) => [...e])]);
}

const ENTRIES = [
  entry("first", "file:///proc/self/fd/63/deno-compile-run/main.js"),
  entry("second", "file:///proc/self/fd/63/deno-compile-run/run.js"),
  entry("third", "file:///proc/self/fd/63/deno-compile-run/rerun.js"),
];

Deno.test("a cache is reduced to one module, in whatever order they are", () => {
  const expected = cache(7n, [ENTRIES[1]!]);
  assertEquals(selectModule(cache(3n, ENTRIES), "run.js", 7n), expected);
  assertEquals(selectModule(cache(3n, ENTRIES.toReversed()), "run.js", 7n), expected);
});

Deno.test("a module that is not in the cache is named", () => {
  assertThrows(() => selectModule(cache(3n, ENTRIES), "gc.js", 7n), Error, "gc.js: is not in the");
});

Deno.test("what is run to make a cache comes first, and fails before the module runs", () => {
  const modules = recordingModules("run", "console.log()");
  assertEquals(Object.keys(modules), ["main.js", "fail.js", "run.js"]);
  assertEquals(modules["run.js"], "console.log()");
  assertEquals(codeCacheFile("run"), "deno-compile-run.cache");
});

Deno.test("this machine's programs need nothing to be executed, others an emulator", () => {
  assertEquals(findRunner(architecture("amd64"), "x86_64"), []);
  assertEquals(findRunner(architecture("aarch64"), "aarch64"), []);
  const runner = findRunner(architecture("aarch64"), "x86_64");
  const expected = ["/usr/bin/qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"];
  if (runner !== undefined) assertEquals(runner, expected);
});
