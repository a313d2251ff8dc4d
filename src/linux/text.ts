/**
 * Names, arguments and variables as strings.
 *
 * To the kernel they are bytes: any but NUL, and in names of files any but `/`. Mostly they are
 * UTF-8. A byte that is no part of valid UTF-8, such as one of Latin-1, becomes half of a surrogate
 * pair, U+DC80 to U+DCFF, which no valid text has alone. Encoding makes it the byte again. So every
 * name comes back to the kernel as it was, and different names are different strings. Python has
 * file names like this, too: PEP 383.
 *
 * `TextDecoder` would make all such bytes the same character, and drop a byte order mark.
 *
 * @module
 */

import { type Bytes, concatenate } from "./bytes.ts";

/** What `TextDecoder` makes of bytes that are not valid. Valid text may have it as well. */
const REPLACEMENT = "\ufffd";

/** The character for a byte is this and the byte. Lower bytes are always UTF-8. */
const BYTE_BASE = 0xdc00;
const FIRST_BYTE = 0x80;

/** Characters that stand for bytes. With the flag `u`, halves of whole pairs do not match. */
const BYTE_CHARACTERS = /([\udc80-\udcff]+)/u;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Decodes bytes of the kernel's. No other bytes give the same string.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(decodeText(Uint8Array.of(0x61, 0xc3, 0xa9, 0xe9)), "aé\udce9");
 * ```
 */
export function decodeText(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  return text.includes(REPLACEMENT) ? decodeStepwise(bytes) : text;
}

/**
 * Encodes a string for the kernel: what {@linkcode decodeText} has decoded becomes the same bytes.
 * Other halves of pairs, which neither the kernel nor a checked manifest has, become U+FFFD.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(encodeText("aé\udce9"), Uint8Array.of(0x61, 0xc3, 0xa9, 0xe9));
 * ```
 */
export function encodeText(text: string): Bytes {
  if (text.isWellFormed()) return encoder.encode(text);
  // What matches are the odd parts.
  const parts = text.split(BYTE_CHARACTERS);
  return concatenate(
    parts.map((part, i) =>
      i % 2 === 0 ? encoder.encode(part) : Uint8Array.from(part, (character) => byteOf(character)!)
    ),
  );
}

/**
 * Puts a text in quotes for an error, as JSON does, but with control characters and with bytes that
 * are no UTF-8 as `\xe9`, as they are where a text is without quotes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(quoteText("a\n\x1b\udce9"), '"a\\n\\x1b\\xe9"');
 * assertEquals(quoteText("\\udce9"), '"\\\\udce9"');
 * ```
 */
export function quoteText(text: string): string {
  return JSON.stringify(text).replace(
    /\\(?:u(?:dc(?=[89a-f])|00(?=[01]))([0-9a-f]{2})|.)/g,
    (escape, byte?: string) => byte === undefined ? escape : `\\x${byte}`,
  );
}

/** Returns the byte that a character stands for; `undefined` for a character of valid text. */
export function byteOf(character: string): number | undefined {
  const byte = character.charCodeAt(0) - BYTE_BASE;
  return byte >= FIRST_BYTE && byte <= 0xff ? byte : undefined;
}

/** Decodes without `TextDecoder`: a call for each piece between such bytes takes far longer. */
function decodeStepwise(bytes: Uint8Array): string {
  // No character has more units than bytes.
  const units = new Uint16Array(bytes.length);
  let end = 0;
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes, at);
    const code = length === 0 ? BYTE_BASE + bytes[at]! : codePoint(bytes, at, length);
    if (code > LAST_OF_ONE_UNIT) units[end++] = (code >> 10) + HIGH_HALF_BASE;
    units[end++] = code > LAST_OF_ONE_UNIT ? code & 0x3ff | LOW_HALF_BASE : code;
    at += length || 1;
  }
  return textOf(units.subarray(0, end));
}

/** UTF-16: a character beyond this has a pair of units, of 10 bits each. */
const LAST_OF_ONE_UNIT = 0xffff;
const HIGH_HALF_BASE = 0xd800 - (0x10000 >> 10);
const LOW_HALF_BASE = 0xdc00;

/** The first byte of several has a bit for each of them, and a zero; each other one has 6 bits. */
function codePoint(bytes: Uint8Array, at: number, length: number): number {
  let code = length === 1 ? bytes[at]! : bytes[at]! & (0x7f >> length);
  for (let i = 1; i < length; i++) code = code << 6 | bytes[at + i]! & 0x3f;
  return code;
}

/** The most arguments that a function is called with here; there is a limit to them. */
const MOST_UNITS = 8192;

function textOf(units: Uint16Array): string {
  let text = "";
  for (let at = 0; at < units.length; at += MOST_UNITS) {
    text += String.fromCharCode(...units.subarray(at, at + MOST_UNITS));
  }
  return text;
}

/**
 * Returns how many bytes the character at `at` has; 0 where there is none. Excluded are longer
 * forms than needed, surrogates, and what is beyond U+10FFFF: The Unicode Standard, table 3-7. The
 * launcher has the same function (`image/launcher.c`).
 */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === undefined) return 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < least || second > most) return 0;
  for (let i = 2; i < length; i++) {
    if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}
