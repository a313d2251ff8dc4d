/**
 * Tests of logs, with either image: their format, how much of them is kept, and who has a say in
 * that.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { eventually, type Host, sleep } from "./host.ts";
import { annotateApp, StandInJournal } from "./journal.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** Sets annotations of ours for an app of a pod. */
async function annotate(pod: Pod, settings: Record<string, string>, app = 0): Promise<void> {
  const named = Object.entries(settings).map(([name, value]) => [`stage1-volo/${name}`, value]);
  await annotateApp(pod, Object.fromEntries(named), app);
}

/** What CRI puts before a line. */
const CRI = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) (.*)$/;

scenario(
  "a log has the format that an annotation asks for",
  { flavor: "either" },
  async ({ scripts }) => {
    const long = "head -c 50000 /dev/zero | tr '\\0' x; echo; printf 'no end'";
    await using pod = await scripts({ one: `echo oh >&2; sleep .2; ${long}`, two: "echo two" });
    await annotate(pod, { "log-format": "cri" });
    const { code } = await pod.run();
    assertEquals(code, 0);
    const log = await Deno.readTextFile(`${pod.dir}/log/one.log`);
    const lines = log.trimEnd().split("\n").map((line) => line.match(CRI)?.slice(1) ?? [line]);
    assertEquals(lines.map(([stream, tag, text]) => [stream, tag, text?.slice(0, 3)]), [
      ["stderr", "F", "oh"],
      ["stdout", "P", "xxx"],
      ["stdout", "F", "xxx"],
      ["stdout", "P", "no "],
    ]);
    assertEquals(lines.slice(1, 3).map(([, , text]) => text).join(""), "x".repeat(50_000));
    const now = Date.now();
    const time = Date.parse(log.slice(0, 23) + "Z");
    assertEquals(now - time >= 0 && now - time < 60_000, true, log.slice(0, 30));
    assertEquals(await Deno.readTextFile(`${pod.dir}/log/two.log`), "two\n");
  },
);

scenario(
  "a log has as many files as annotations allow, and no larger ones",
  { flavor: "either" },
  async ({ scripts }) => {
    // 1000 bytes a line, 400 lines.
    const write = "i=0; while [ $i -lt 400 ]; do printf '%0999d\\n' $i; i=$((i+1)); done";
    await using pod = await scripts({ one: write, two: "true" });
    await annotate(pod, { "log-size": "100k", "log-files": "3" });
    assertQuiet(await pod.run());
    const files = [...Deno.readDirSync(`${pod.dir}/log`)].map(({ name }) => name)
      .filter((name) => name.startsWith("one.")).toSorted();
    assertEquals(files, ["one.log", "one.log.1", "one.log.2"]);
    const numbers = files.toReversed().flatMap((name) =>
      Deno.readTextFileSync(`${pod.dir}/log/${name}`).trimEnd().split("\n").map(Number)
    );
    assertEquals(numbers, Array.from({ length: 300 }, (_, i) => 100 + i));
  },
);

scenario(
  "an image does not say how its app is logged",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("echo hello");
    await editJson(`${pod.dir}/appsinfo/app/manifest`, (manifest) => {
      manifest.annotations = [{ name: "stage1-volo/log-format", value: "cri" }];
    });
    const { stdout, stderr } = await pod.run();
    assertEquals(stdout, "hello\n");
    assertMatch(
      stderr,
      /^run: image ".*": annotations\[0\] \(stage1-volo\/log-format\): ignored: .*\n$/,
    );
    assertEquals(await Deno.readTextFile(`${pod.dir}/log/app.log`), "hello\n");
  },
);

scenario("the only app of the host's namespaces has no log to set", async ({ script }) => {
  await using pod = await script("echo hello");
  await annotate(pod, { "log-format": "cri" });
  const result = await pod.run();
  assertPrints(result, "hello\n");
  assertMatch(
    result.stderr,
    /^run: apps\[0\]\.annotations\[0\] \(stage1-volo\/log-format\): ignored: .*\n$/,
  );
});

scenario(
  "run refuses a setting of the log that it does not know",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("echo hello");
    await annotate(pod, { "log-size": "1K" });
    assertRefused(
      await pod.run(),
      "run",
      /apps\[0\]\.annotations\[0\]\.value: "1K" is not a quantity .* \(stage1-volo\/log-size\)/,
    );
  },
);

scenario(
  "an app can be logged to the host's journal, alone or besides its files",
  { flavor: "either" },
  async ({ dir, scripts }) => {
    await Deno.mkdir(`${dir}/journal`);
    using journal = new StandInJournal(`${dir}/journal`);
    const long = "head -c 50000 /dev/zero | tr '\\0' x; echo";
    await using pod = await scripts({
      one: `echo up; echo oh >&2; sleep .2; ${long}; printf 'no end'`,
      two: "echo two",
    });
    await annotate(pod, { "log-to": "journald" });
    await annotate(pod, { "log-to": "both" }, 1);
    const { code, stdout } = await pod.run({ host: journal });
    assertEquals(code, 0);
    assertMatch(stdout, / one\[\d+\]: up\n/);
    const entries = journal.read();
    const of = (app: string, stream: string) =>
      entries.filter((it) => it["CONTAINER_NAME"] === app && it["CONTAINER_STREAM"] === stream);
    const common = {
      SYSLOG_FACILITY: "1",
      SYSLOG_IDENTIFIER: "one",
      CONTAINER_ID: pod.uuid.slice(0, 8),
      CONTAINER_ID_FULL: pod.uuid,
      CONTAINER_NAME: "one",
    };
    const out = { ...common, CONTAINER_STREAM: "stdout", PRIORITY: "6" };
    const partial = { ...out, CONTAINER_PARTIAL_MESSAGE: "true" };
    assertEquals(of("one", "stdout"), [
      { ...out, MESSAGE: "up" },
      { ...partial, MESSAGE: "x".repeat(48 * 1024) },
      { ...out, MESSAGE: "x".repeat(50_000 - 48 * 1024) },
      { ...partial, MESSAGE: "no end" },
    ]);
    assertEquals(of("one", "stderr"), [
      { ...common, CONTAINER_STREAM: "stderr", PRIORITY: "3", MESSAGE: "oh" },
    ]);
    assertEquals(of("two", "stdout").map((it) => it["MESSAGE"]), ["two"]);
    assertEquals([...Deno.readDirSync(`${pod.dir}/log`)].map(({ name }) => name), ["two.log"]);
  },
);

scenario(
  "an app waits for a journal that takes no more, and its pod can be stopped",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await Deno.mkdir(`${dir}/journal`);
    using journal = new StandInJournal(`${dir}/journal`);
    await using pod = await script(
      "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done; echo up >&2; " +
        "while :; do echo more || exit 1; done",
    );
    await annotate(pod, { "log-to": "journald" });
    const program = await pod.start({ host: journal });
    await sleep(500);
    assertEquals(program.stderr, "", "the app has not written all yet");
    const heard: string[] = [];
    await eventually("all that was written", () => {
      heard.push(...journal.read().map((it) => it["MESSAGE"]!));
      return heard.length > 3000;
    });
    assertEquals(heard.slice(0, 3000), Array.from({ length: 3000 }, (_, i) => `${i}`));
    const before = Date.now();
    assertCode(await pod.stop(), 0);
    await program.result;
    assertEquals(Date.now() - before < 10_000, true);
  },
);

scenario(
  "a journal that has been restarted gets what comes after",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await Deno.mkdir(`${dir}/journal`);
    using journal = new StandInJournal(`${dir}/journal`);
    await using pod = await script("echo up; while :; do echo more; sleep .05; done");
    await annotate(pod, { "log-to": "journald" });
    const program = await pod.start({ host: journal });
    await program.prints("more");
    journal.restart();
    await eventually("an entry", () => journal.read().length > 0);
    assertCode(await pod.stop(), 0);
    assertCode(await program.result, 0);
  },
);

scenario(
  "run refuses to log to a journal that is not there",
  { flavor: "either" },
  async ({ scripts }) => {
    await using pod = await scripts({ one: "echo one", two: "echo two" });
    await annotate(pod, { "log-to": "journald" });
    const host: Host = {
      wrap: (argv) => [
        ...["unshare", "--mount", "--propagation", "private", "sh", "-c"],
        ...['mount -t tmpfs tmpfs /run && exec "$@"', "sh", ...argv],
      ],
    };
    assertRefused(
      await pod.run({ host }),
      "run",
      /stage1-volo\/log-to: \/run\/systemd\/journal\/socket: connect\(\): ENOENT/,
    );
  },
);
