import { assertEquals } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import { lineRecords } from "./line_records.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);

const TIME = BigInt(Date.UTC(2026, 10, 26, 9, 1, 2)) * 1_000_000n + 123_456_789n;

Deno.test("a record has time, stream, tag and line, and bytes that are no text stay as they are", () => {
  const head = "2026-11-26T09:01:02.123456789Z stderr";
  assertEquals(
    lineRecords("cri", "stderr", TIME, (take) => {
      take(bytes("one"), false, true);
      take(Uint8Array.of(0xff), false, false);
      take(bytes(""), true, true);
    }),
    Uint8Array.of(
      ...bytes(`${head} F one\n${head} P `),
      0xff,
      ...bytes(`\n${head} F \n`),
    ),
  );
});

Deno.test("a plain record has time, stream and line, whatever has ended the line", () => {
  const head = "2026-11-26T09:01:02.123456789Z stdout";
  assertEquals(
    lineRecords("k8s-plain", "stdout", TIME, (take) => {
      take(bytes("P one\r"), false, true);
      take(Uint8Array.of(0xff, 0), false, false);
      take(bytes(""), true, true);
    }),
    Uint8Array.of(
      ...bytes(`${head} P one\r\n${head} `),
      ...[0xff, 0],
      ...bytes(`\n${head} \n`),
    ),
  );
});
