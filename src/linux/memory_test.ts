import "./libc_testing.ts";
import { assert } from "@std/assert";
import { giveBackMemory } from "./memory.ts";

const MEBIBYTE = 1024 * 1024;

Deno.test({
  name: "memory that is no longer needed is given back",
  // The function under test binds another function of libc.
  sanitizeResources: false,
  fn() {
    const before = Deno.memoryUsage().rss;
    // Small texts: a large one has memory of its own, which is given back with it.
    let texts = Array.from({ length: 1_000_000 }, (_, i) => `${i}`.padStart(32));
    const most = Deno.memoryUsage().rss;
    assert(most - before > 10 * MEBIBYTE, `${texts.length} texts in ${most - before} bytes`);
    texts = [];
    giveBackMemory();
    const left = Deno.memoryUsage().rss - before;
    assert(left < (most - before) / 2, `${left} bytes of ${most - before} are left`);
  },
});
