/** Tests that a scenario notices what is left behind. */

import { assertEquals } from "@std/assert";
import { mountTmpfs, must } from "./host.ts";
import { compareTraces, takeTraces } from "./leftovers.ts";
import { readMounts } from "./procfs.ts";
import { scenario } from "./scenario.ts";

/** Returns what a scenario would report after an action. */
async function reported(dir: string, act: () => void | Promise<void>): Promise<string[]> {
  const before = takeTraces(dir);
  await act();
  return compareTraces(before, takeTraces(dir));
}

scenario("nothing is reported where nothing is left", async ({ dir }) => {
  assertEquals(await reported(dir, () => {}), []);
});

scenario("a file is reported", async ({ dir }) => {
  const lines = await reported(dir, () => Deno.writeTextFile(`${dir}/file`, ""));
  assertEquals(lines, [`file: ${dir}/file`]);
});

scenario("a mount is reported, and one that is gone", async ({ dir }) => {
  await Deno.mkdir(`${dir}/mount`);
  const before = takeTraces(dir);
  const mount = await mountTmpfs(`${dir}/mount`);
  const during = takeTraces(dir);
  await mount[Symbol.asyncDispose]();
  const kinds = (lines: string[]) => lines.map((line) => line.split(" (")[0]);
  assertEquals(kinds(compareTraces(before, during)), [`mount: ${dir}/mount`]);
  assertEquals(kinds(compareTraces(during, takeTraces(dir))), [`unmounted: ${dir}/mount`]);
});

scenario("a mount that hears of others, and did not before, is reported", async ({ dir }) => {
  await using _mount = await mountTmpfs(`${dir}/mount`);
  const lines = await reported(dir, async () => {
    await must(["mount", "--make-shared", `${dir}/mount`]);
  });
  assertEquals(lines.length, 2);
});

const hierarchy = readMounts().find(({ type, options }) => {
  return type.startsWith("cgroup") && options.includes("rw");
});

scenario(
  "a cgroup of a pod of one's own is reported",
  { needs: [{ what: "cgroups, to write to", met: hierarchy !== undefined }] },
  async ({ dir, script }) => {
    await using pod = await script("true");
    await using other = await script("true");
    const paths = [pod, other].map(({ uuid }) => `${hierarchy!.path}/volo-${uuid}`);
    const before = takeTraces(dir, [pod.uuid]);
    for (const path of paths) await Deno.mkdir(path);
    const after = takeTraces(dir, [pod.uuid]);
    for (const path of paths) await Deno.remove(path);
    assertEquals(compareTraces(before, after), [`cgroup: ${paths[0]}`]);
  },
);

scenario("a process is reported, even when its parent has ended", async ({ dir }) => {
  let pid = 0;
  const lines = await reported(dir, async () => {
    const text = `cd ${dir}; setsid sleep 100 </dev/null >/dev/null 2>&1 & echo $!`;
    pid = Number(await must(["sh", "-c", text]));
  });
  Deno.kill(pid, "SIGKILL");
  assertEquals(lines.length, 1);
  assertEquals(lines[0]!.startsWith(`process ${pid}:`), true);
});

scenario("a process of another file of tests is not reported", async ({ dir }) => {
  let pid = 0;
  // As seen from here: an orphan that holds nothing of this file's directory.
  const lines = await reported(dir, async () => {
    const text = "cd /; setsid sleep 100 </dev/null >/dev/null 2>&1 & echo $!";
    pid = Number(await must(["sh", "-c", text]));
  });
  Deno.kill(pid, "SIGKILL");
  assertEquals(lines, []);
});
