import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { readSetting, writeSetting } from "./kernel_file.ts";

Deno.test("readSetting() leaves the newline out, and has nothing where there is no file", () => {
  assertEquals(readSetting("/proc/sys/kernel/ostype"), "Linux");
  assertEquals(readSetting("/proc/sys/kernel/no_such_setting"), undefined);
  assertEquals(readSetting("/proc/sys/kernel/ostype/below"), undefined);
});

Deno.test("writeSetting() changes a setting, and says when the kernel does not like the value", () => {
  const value = readSetting("/proc/self/oom_score_adj")!;
  writeSetting("/proc/self/oom_score_adj", value);
  assertEquals(readSetting("/proc/self/oom_score_adj"), value);
  assertThrows(() => writeSetting("/proc/self/oom_score_adj", "1001"), Error, "EINVAL");
});
