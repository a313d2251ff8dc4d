import { assertEquals, assertThrows } from "@std/assert";
import { codeCacheKey, embeddedMetadata, runtimeLength } from "./payload.ts";

/** A program in the format, with a given text as its metadata. */
function compiled(metadata: string): Uint8Array {
  const text = new TextEncoder().encode(metadata);
  const size = 3 + 8 + 8 + text.length + 16;
  const program = new Uint8Array(size);
  const view = new DataView(program.buffer);
  program.set(new TextEncoder().encode("ELFd3n0l4nd"));
  view.setBigUint64(11, BigInt(text.length), true);
  program.set(text, 19);
  view.setUint32(size - 16, 0x501e, true);
  view.setBigUint64(size - 8, BigInt(size - 3), true);
  return program;
}

Deno.test("the runtime is what precedes the payload", () => {
  const program = compiled("{}");
  assertEquals(runtimeLength(program.subarray(-16), program.length), 3);
});

Deno.test("the metadata is read back", () => {
  assertEquals(embeddedMetadata(compiled('{"argv":[]}')), '{"argv":[]}');
});

Deno.test("a program that deno compile did not make is refused", () => {
  assertThrows(() => runtimeLength(new Uint8Array(16), 100), Error, "not a program made by deno");
  assertThrows(() => runtimeLength(new Uint8Array(3), 3), Error, "not a program made by deno");
});

Deno.test("a program that was cut short is refused", () => {
  const trailer = compiled("{}").subarray(-16);
  assertThrows(() => runtimeLength(trailer, 30), Error, "a payload of 34 bytes, of 30 in all");
});

Deno.test("metadata that claims to be longer than the payload is refused", () => {
  const program = compiled("{}");
  program[11] = 200;
  assertThrows(() => embeddedMetadata(program), Error, "its payload was cut short");
});

Deno.test("the key of a code cache is read to the last digit", () => {
  assertEquals(
    codeCacheKey('{"code_cache_key":17791645045157828667,"x":1}'),
    17791645045157828667n,
  );
  assertEquals(codeCacheKey('{"code_cache_key":null}'), undefined);
});
