import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { posixSpawn } from "./libc.ts";
import { openProcess, signalProcess } from "./pidfd.ts";
import { signalGroupOf } from "./process.ts";
import { SIGCONT, SIGKILL, SIGSTOP } from "./signal_numbers.ts";
import { endOf, hasEnded, stopOf } from "./wait.ts";

/** Asks until there is an answer. */
function eventually(ask: () => number | undefined): number | undefined {
  for (let attempt = 0; attempt < 10_000; attempt++) {
    const answer = ask();
    if (answer !== undefined) return answer;
  }
  return undefined;
}

Deno.test("stopOf() tells of a stop once, and not of an end, which is still waited for", () => {
  const pid = posixSpawn("/bin/sleep", ["sleep", "100"], []);
  using child = openProcess(pid)!;
  assertEquals(stopOf(pid), undefined);
  signalProcess(child, SIGSTOP);
  assertEquals(eventually(() => stopOf(pid)), SIGSTOP);
  assertEquals(stopOf(pid), undefined);
  signalProcess(child, SIGCONT);
  signalProcess(child, SIGKILL);
  assertEquals(stopOf(pid), undefined);
  assertEquals(endOf(pid), { signal: SIGKILL });
});

Deno.test("hasEnded() tells of an end and not of a stop, and leaves it to be waited for", () => {
  const pid = posixSpawn("/bin/sleep", ["sleep", "100"], []);
  using child = openProcess(pid)!;
  signalProcess(child, SIGSTOP);
  assertEquals(eventually(() => stopOf(pid)), SIGSTOP);
  assertEquals(hasEnded(pid), false);
  signalProcess(child, SIGKILL);
  assertEquals(eventually(() => hasEnded(pid) ? 1 : undefined), 1);
  assertEquals(hasEnded(pid), true);
  assertEquals(endOf(pid), { signal: SIGKILL });
  assertEquals(hasEnded(pid), false);
});

Deno.test("signalGroupOf() spares the group that this process is in", () => {
  const pid = posixSpawn("/bin/sleep", ["sleep", "100"], []);
  using child = openProcess(pid)!;
  signalGroupOf(pid, SIGKILL);
  assertEquals(stopOf(pid), undefined);
  signalProcess(child, SIGKILL);
  assertEquals(endOf(pid), { signal: SIGKILL });
});

Deno.test("signalGroupOf() reaches the group that a child leads", () => {
  const script = "sleep 100 & wait";
  const argv = ["setsid", "sh", "-c", script];
  const pid = posixSpawn("/usr/bin/setsid", argv, ["PATH=/usr/bin:/bin"]);
  const isLeader = () => Deno.readTextFileSync(`/proc/${pid}/stat`).split(" ")[4] === `${pid}`;
  assertEquals(eventually(() => isLeader() ? 1 : undefined), 1);
  signalGroupOf(pid, SIGKILL);
  assertEquals(endOf(pid), { signal: SIGKILL });
});
