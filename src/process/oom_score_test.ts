import "../linux/libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import type { OomScorePlan } from "../plan/cgroup/resources.ts";
import { withOomScore } from "./oom_score.ts";

const read = () => Deno.readTextFileSync("/proc/self/oom_score_adj").trim();

function planOf(value: number): OomScorePlan {
  return { value, isolator: "app (os/linux/oom-score-adj)" };
}

Deno.test("what is started meanwhile has the score, and its starter has its own again", () => {
  const own = read();
  const lines: string[] = [];
  const { result, notes } = withOomScore(planOf(777), (line) => lines.push(line), read);
  assertEquals([result, notes, read()], ["777", [], own]);
  assertEquals(lines, ["oom_score_adj = 777"]);
});

Deno.test("the starter has its own score again although nothing could be started", () => {
  const own = read();
  const fail = () => {
    throw new Error("no such program");
  };
  assertThrows(() => withOomScore(planOf(777), () => {}, fail), Error, "no such program");
  assertEquals(read(), own);
});
