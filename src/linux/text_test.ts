import { assertEquals, assertNotEquals } from "@std/assert";
import { decodeText, encodeText, quoteText } from "./text.ts";

const fatal = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function isValid(bytes: Uint8Array): boolean {
  try {
    fatal.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function assertRoundTrip(bytes: Uint8Array): void {
  const text = decodeText(bytes);
  assertEquals(encodeText(text), bytes, `${bytes}`);
  // The platform's decoder judges, too.
  assertEquals(text.isWellFormed(), isValid(bytes), `${bytes}`);
  if (isValid(bytes)) assertEquals(text, fatal.decode(bytes));
}

/** Bytes at and beside the limits of each range that UTF-8 has. */
const EDGES = [
  ...[0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf],
  ...[0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
];

Deno.test("every sequence of up to four bytes at the limits of UTF-8 comes back", () => {
  assertRoundTrip(new Uint8Array());
  const extend = (start: number[]): void => {
    for (const byte of EDGES) {
      const bytes = [...start, byte];
      assertRoundTrip(Uint8Array.from(bytes));
      if (bytes.length < 3 || (bytes.length < 4 && start[0]! >= 0xf0)) extend(bytes);
    }
  };
  extend([]);
});

Deno.test("every pair of bytes comes back", () => {
  for (let i = 0; i < 0x10000; i++) assertRoundTrip(Uint8Array.of(i >> 8, i & 0xff));
});

Deno.test("long random bytes come back, with whole characters between them", () => {
  const words = ["é", "🐢", "\u{1f480}", "\ufffd", "\ufeff", "a"].map((it) => encodeText(it));
  for (let round = 0; round < 200; round++) {
    const parts = Array.from({ length: 50 }, (_, i) => {
      const random = crypto.getRandomValues(new Uint8Array(2));
      return i % 2 ? random : words[random[0]! % words.length]!;
    });
    assertRoundTrip(Uint8Array.from(parts.flatMap((part) => [...part])));
  }
});

Deno.test("a text of many bytes that are no UTF-8 comes back", () => {
  assertRoundTrip(new Uint8Array(20_000).fill(0xe9));
});

Deno.test("a byte order mark is a part of a name", () => {
  assertEquals(decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), "\ufeffa");
});

Deno.test("different names are different strings", () => {
  const latin1 = ["\xe9", "\xe8"].map((name) => Uint8Array.of(name.charCodeAt(0)));
  assertNotEquals(decodeText(latin1[0]!), decodeText(latin1[1]!));
  assertNotEquals(decodeText(latin1[0]!), "\ufffd");
});

Deno.test("a half of a pair that stands for no byte becomes U+FFFD", () => {
  assertEquals(encodeText("\ud800\udc00"), encodeText("\u{10000}"));
  for (const half of ["\ud800", "\udc7f", "\udd00"]) {
    assertEquals(encodeText(`a${half}`), encodeText("a\ufffd"));
  }
});

Deno.test("quoted texts show bytes, and nothing else as bytes", () => {
  assertEquals(quoteText('🐢 \x1b \u009b\udc9b"'), '"🐢 \\x1b \u009b\\x9b\\""');
  assertEquals(quoteText("\\\udcff\\udcff"), '"\\\\\\xff\\\\udcff"');
  assertEquals(quoteText("\ud800"), '"\\ud800"');
});
