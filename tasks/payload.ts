/**
 * The format of a program that `deno compile` makes for Linux: a runtime, a payload and a trailer.
 *
 * ```text
 * runtime ‖ "d3n0l4nd" ‖ u64 length ‖ metadata (JSON) ‖ modules and files … ‖ trailer
 * trailer = u32 0x501e ‖ u32 hash of the section's name ‖ u64 length of payload and trailer
 * ```
 *
 * All numbers are little-endian. Source: `cli/lib/standalone/binary.rs` of Deno, and libsui, which
 * writes the trailer.
 *
 * @module
 */

/** The length of the trailer, in bytes. */
export const TRAILER_LENGTH = 16;

const TRAILER_MAGIC = 0x501e;
const PAYLOAD_MAGIC = "d3n0l4nd";

/**
 * Returns the length of the runtime in a compiled program, in bytes.
 *
 * @param trailer The program's last {@linkcode TRAILER_LENGTH} bytes.
 * @param size The program's size, in bytes.
 * @throws {Error} when the program was not made by `deno compile`, or was cut short.
 */
export function runtimeLength(trailer: Uint8Array, size: number): number {
  const view = viewOf(trailer);
  if (view.byteLength !== TRAILER_LENGTH || view.getUint32(0, true) !== TRAILER_MAGIC) {
    throw new Error("not a program made by deno compile");
  }
  const appended = Number(view.getBigUint64(8, true));
  if (appended <= TRAILER_LENGTH || appended > size) {
    throw new Error(`its trailer names a payload of ${appended} bytes, of ${size} in all`);
  }
  return size - appended;
}

/**
 * Returns the beginning of a compiled program, to which `deno compile` has appended the rest.
 *
 * @throws {Error} when the program was not made by `deno compile`, or was cut short.
 */
export function programStart(program: Uint8Array): Uint8Array {
  return program.subarray(0, runtimeLength(program.subarray(-TRAILER_LENGTH), program.length));
}

/**
 * Reads the settings in a compiled program: permissions, V8's flags, and others.
 *
 * @param program The whole program.
 * @returns The metadata as JSON, in Deno's own form.
 * @throws {Error} when the program was not made by `deno compile`, or was cut short.
 */
export function embeddedMetadata(program: Uint8Array): string {
  const payload = program.subarray(programStart(program).length, -TRAILER_LENGTH);
  const decoder = new TextDecoder();
  const header = PAYLOAD_MAGIC.length + 8;
  if (decoder.decode(payload.subarray(0, PAYLOAD_MAGIC.length)) !== PAYLOAD_MAGIC) {
    throw new Error("its payload is not one of deno compile");
  }
  const length = Number(viewOf(payload).getBigUint64(PAYLOAD_MAGIC.length, true));
  if (header + length > payload.length) throw new Error("its payload was cut short");
  return decoder.decode(payload.subarray(header, header + length));
}

/**
 * Returns the key that a program's code cache must have. It is too long for a number of JavaScript.
 *
 * @param metadata The metadata from {@linkcode embeddedMetadata}.
 * @returns The key; `undefined` when the program uses no code cache.
 */
export function codeCacheKey(metadata: string): bigint | undefined {
  const key = /"code_cache_key":(\d+)/.exec(metadata)?.[1];
  return key === undefined ? undefined : BigInt(key);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
