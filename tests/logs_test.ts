/**
 * Tests of logs, with either image: their format, how much of them is kept, and who has a say in
 * that.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { assertPrints, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** Sets annotations of ours for an app of a pod, as `rkt run … IMAGE --annotation=…` does. */
async function annotate(pod: Pod, settings: Record<string, string>, app = 0): Promise<void> {
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.apps[app].annotations = Object.entries(settings)
      .map(([name, value]) => ({ name: `stage1-volo/${name}`, value }));
  });
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
      /apps\[0\]\.annotations\[0\]\.value \(stage1-volo\/log-size\): "1K" is not a quantity/,
    );
  },
);
