import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { monotonicMicroseconds } from "./clock.ts";
import { readKernelFile } from "./read_write.ts";

Deno.test("the clock counts microseconds, and never goes back", () => {
  const before = monotonicMicroseconds();
  // In hundredths of a second. /proc/uptime includes suspension, so it may only be more.
  const uptime = Number(readKernelFile("/proc/uptime").split(" ")[0]) * 1_000_000;
  const after = monotonicMicroseconds();
  assertEquals(before <= after, true);
  assertEquals(before <= uptime + 10_000, true);
  assertEquals(after - before < 1_000_000, true);
});
