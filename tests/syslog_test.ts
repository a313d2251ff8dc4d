/** Tests of `/dev/log` in isolated pods, by which syslog(3) reaches an app's log. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet } from "./expect.ts";
import { annotateApp, StandInJournal } from "./journal.ts";
import { startUp } from "./pod_processes.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** Reads the lines of an app's log, each without the time before it. */
function logOf(pod: Pod, app = "app"): string[] {
  const lines = Deno.readTextFileSync(`${pod.dir}/log/${app}.log`).trimEnd().split("\n");
  return lines.map((line) => line.replace(/^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d /, "TIME "));
}

const VOLO = { user: "volo", group: "volo" };

scenario(
  "what an app sends to /dev/log is in its log, and not the caller's",
  { flavor: "isolated", kernels: ["now", "5.11"] },
  async ({ script }) => {
    const text = "logger -t me one; logger -t me -p user.err two; echo three";
    await using pod = await script(text, { app: VOLO });
    assertPrints(await pod.run(), "three\n");
    const lines = logOf(pod);
    assertEquals(lines.filter((line) => line !== "three"), ["TIME me: one", "TIME me: two"]);
    assertEquals(lines.length, 3);
  },
);

scenario(
  "a pod with users of its own has /dev/log, too",
  { flavor: "isolated" },
  async ({ script }) => {
    for (const app of [{}, VOLO]) {
      const text = "logger -t me hello; stat -c '%F %a' /dev/log";
      await using pod = await script(text, { app, privateUsers: "200000:65536" });
      assertPrints(await pod.run(), "socket 666\n");
      assertEquals(logOf(pod).filter((line) => line.startsWith("TIME")), ["TIME me: hello"]);
    }
  },
);

scenario("each app of a pod has its own /dev/log", { flavor: "isolated" }, async ({ scripts }) => {
  const up = "echo up; exec sleep 100";
  await using pod = await scripts({ one: `logger -t me one; ${up}`, two: up });
  const program = await startUp(pod, 2);
  assertQuiet(await pod.enter("two", ["/bin/logger", "-t", "me", "entered"]));
  assertCode(await pod.stop(), 0);
  assertCode(await program.result, 0);
  assertEquals(logOf(pod, "one").toSorted(), ["TIME me: one", "up"]);
  assertEquals(logOf(pod, "two").toSorted(), ["TIME me: entered", "up"]);
});

scenario(
  "an app with a terminal or without streams has a log of what it sends to /dev/log",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("logger -t me hello");
    await annotateApp(pod, {
      "coreos.com/rkt/stage2/stdout": "null",
      "coreos.com/rkt/stage2/stderr": "null",
    });
    assertQuiet(await pod.run());
    assertEquals(logOf(pod), ["TIME me: hello"]);
  },
);

scenario(
  "in the format of CRI, and in the journal, a message has one time, and its own severity",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await Deno.mkdir(`${dir}/journal`);
    using journal = new StandInJournal(`${dir}/journal`);
    await using pod = await script("logger -t me -p authpriv.alert hello");
    await annotateApp(pod, { "stage1-volo/log-to": "both", "stage1-volo/log-format": "cri" });
    assertQuiet(await pod.run({ host: journal }));
    assertMatch(logOf(pod)[0]!, /^\d{4}-\S+Z stderr F me: hello$/);
    const [entry, ...others] = journal.read();
    assertEquals(others, []);
    assertEquals(entry, {
      PRIORITY: "1",
      SYSLOG_FACILITY: "10",
      SYSLOG_IDENTIFIER: "app",
      CONTAINER_ID: pod.uuid.slice(0, 8),
      CONTAINER_ID_FULL: pod.uuid,
      CONTAINER_NAME: "app",
      CONTAINER_STREAM: "syslog",
      MESSAGE: "me: hello",
    });
  },
);

scenario(
  "a message goes to no terminal of the host by the journal, nor for one of the kernel's",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await Deno.mkdir(`${dir}/journal`);
    using journal = new StandInJournal(`${dir}/journal`);
    await using pod = await script("logger -t me -p kern.emerg hello");
    await annotateApp(pod, { "stage1-volo/log-to": "journald" });
    assertQuiet(await pod.run({ host: journal }));
    const [entry] = journal.read();
    assertEquals([entry?.["PRIORITY"], entry?.["SYSLOG_FACILITY"]], ["1", "1"]);
  },
);

scenario("a volume can be at /dev/log", { flavor: "isolated" }, async ({ dir, pod: prepare }) => {
  await Deno.mkdir(`${dir}/journal`);
  using other = new StandInJournal(`${dir}/journal`);
  await using pod = await prepare({
    app: { exec: ["/bin/logger", "-t", "me", "hello"] },
    volumes: [{ name: "log", kind: "host", source: `${dir}/journal/socket` }],
    mounts: [{ volume: "log", path: "/dev/log" }],
  });
  assertQuiet(await pod.run());
  const [message] = other.readRaw();
  assertMatch(message!, /^<13>.* me: hello$/);
  assert(!logThere(pod));
});

function logThere(pod: Pod): boolean {
  return [...Deno.readDirSync(`${pod.dir}/log`)].length > 0;
}
