import { assertEquals } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import { criRecords } from "./cri_log.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);

Deno.test("a record has time, stream, tag and line, and bytes that are no text stay as they are", () => {
  const time = BigInt(Date.UTC(2026, 10, 26, 9, 1, 2)) * 1_000_000n + 123_456_789n;
  const head = "2026-11-26T09:01:02.123456789Z stderr";
  assertEquals(
    criRecords("stderr", time, (take) => {
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
