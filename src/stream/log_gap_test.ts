import { assertEquals } from "@std/assert";
import { ERRNO, SyscallError } from "../linux/errno.ts";
import { NEWLINE } from "./line_splitter.ts";
import { LogGap } from "./log_gap.ts";

const failed = (name: keyof typeof ERRNO) => new SyscallError("write", [], ERRNO[name]);

Deno.test("a gap counts all that is missing, and has its first reason", () => {
  const gap = new LogGap();
  assertEquals(gap.isOpen, false);
  for (const name of ["EDQUOT", "EIO"] as const) gap.add(1000, failed(name));
  const line = "[stage1-volo: 2000 bytes are missing here: EDQUOT, disk quota exceeded]\n";
  assertEquals(new TextDecoder().decode(gap.line(NEWLINE)), line);
  assertEquals(new TextDecoder().decode(gap.line(undefined)), `\n${line}`);
});

Deno.test("a gap that the log has told is not told again", () => {
  const gap = new LogGap();
  gap.add(7, failed("EIO"));
  gap.close();
  assertEquals(gap.isOpen, false);
  gap.add(1, failed("ENOSPC"));
  const line = "[stage1-volo: 1 bytes are missing here: ENOSPC, no space left on device]\n";
  assertEquals(new TextDecoder().decode(gap.line(NEWLINE)), line);
});
