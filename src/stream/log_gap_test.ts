import "../linux/libc_testing.ts";
import { assertEquals, assertMatch } from "@std/assert";
import { ERRNO, SyscallError } from "../linux/errno.ts";
import { NEWLINE } from "./line_splitter.ts";
import { LogGap } from "./log_gap.ts";

const failed = (name: keyof typeof ERRNO) => new SyscallError("write", [], ERRNO[name]);

Deno.test("a gap counts all that is missing, and has its first reason", () => {
  const gap = new LogGap("raw");
  assertEquals(gap.isOpen, false);
  for (const name of ["EDQUOT", "EIO"] as const) gap.add(1000, failed(name));
  const line = "[stage1-volo: 2000 bytes are missing here: EDQUOT, disk quota exceeded]\n";
  assertEquals(new TextDecoder().decode(gap.line(NEWLINE)), line);
  assertEquals(new TextDecoder().decode(gap.line(undefined)), `\n${line}`);
});

Deno.test("a gap that the log has told is not told again", () => {
  const gap = new LogGap("raw");
  gap.add(7, failed("EIO"));
  gap.close();
  assertEquals(gap.isOpen, false);
  gap.add(1, failed("ENOSPC"));
  const line = "[stage1-volo: 1 bytes are missing here: ENOSPC, no space left on device]\n";
  assertEquals(new TextDecoder().decode(gap.line(NEWLINE)), line);
});

Deno.test("in a log for Kubernetes' tools, a gap is a line of its form", () => {
  const gap = new LogGap("cri");
  gap.add(7, failed("EIO"));
  assertMatch(
    new TextDecoder().decode(gap.line(NEWLINE)),
    /^\d{4}-\S+Z stderr F \[stage1-volo: 7 bytes are missing here: EIO, input\/output error\]\n$/,
  );
});
