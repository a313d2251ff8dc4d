import "./libc_testing.ts";
import { assert } from "@std/assert";
import { giveBackMemory } from "./memory.ts";

const MEBIBYTE = 1024 * 1024;

Deno.test({
  name: "memory that is no longer needed is given back",
  // It binds one more of libc's functions.
  sanitizeResources: false,
  fn() {
    const before = Deno.memoryUsage().rss;
    // Small ones: large ones have memory of their own, which goes with them.
    let texts = Array.from({ length: 1_000_000 }, (_, i) => `${i}`.padStart(32));
    const most = Deno.memoryUsage().rss;
    assert(most - before > 10 * MEBIBYTE, `${texts.length} texts in ${most - before} bytes`);
    texts = [];
    giveBackMemory();
    const left = Deno.memoryUsage().rss - before;
    assert(left < (most - before) / 2, `${left} bytes of ${most - before} are left`);
  },
});
