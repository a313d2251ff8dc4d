/** Tests of the commands in docs/figures.md, which read what a pod uses. */

import { assert, assertEquals } from "@std/assert";
import { figureCommands } from "./figures.ts";
import { execute } from "./host.ts";
import { readMounts } from "./procfs.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

const LIMITS = [
  { name: "resource/memory", value: { limit: "64Mi" } },
  { name: "resource/cpu", value: { limit: "500m" } },
];
const CONTROLLERS = ["memory", "cpu", "cpuacct", "pids"];
const V1_NEED = {
  what: `${CONTROLLERS.join(", ")} in cgroup v1`,
  met: CONTROLLERS.every((name) =>
    readMounts().some(({ type, superOptions }) => type === "cgroup" && superOptions.includes(name))
  ),
};

/** Runs commands in the pod's directory. Each line that they print has a number at its end. */
async function numbers({ dir }: Pod, heading: string): Promise<number[]> {
  const script = ["set -e", `cd ${dir}`, ...figureCommands(heading, "app")].join("\n");
  const { code, stdout, stderr } = await execute(["sh", "-c", script]);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trimEnd().split("\n").map((line) => Number(line.match(/(\d+)( kB)?$/)?.[1]));
}

scenario("the commands for version 1 read what an app uses", {
  flavor: "isolated",
  needs: [V1_NEED],
}, async ({ script }) => {
  const text = "head -c 20000000 /dev/zero | tail -c 20000000 | wc -c; echo up; exec sleep 100";
  await using pod = await script(text, { app: { isolators: LIMITS } });
  await using _ = { [Symbol.asyncDispose]: async () => void await pod.gc() };
  const program = await pod.start();
  await program.prints("up");
  const [now, most, kills, time, throttled, processes, ...more] = await numbers(
    pod,
    "With cgroup v1",
  );
  assertEquals(more, []);
  assert(most! > 20_000_000 && now! < most!, `${now} of ${most}`);
  assertEquals(kills, 0);
  assert(time! > 1_000_000, `${time}`);
  assert(throttled! >= 0, `${throttled}`);
  // Pid 1 and the app.
  assertEquals(processes, 2);
});

scenario("the pod directory says where the cgroups are, and how run is found", {
  flavor: "isolated",
}, async ({ script }) => {
  await using pod = await script("exec sleep 100", { app: { isolators: LIMITS } });
  await using _ = { [Symbol.asyncDispose]: async () => void await pod.gc() };
  await pod.start();
  const [command, ...more] = figureCommands("Where they are", "app");
  assertEquals(more, []);
  const { stdout } = await execute(["sh", "-c", `cd ${pod.dir} && ${command}`]);
  const paths = stdout.trimEnd().split("\n");
  assert(paths.length > 0);
  for (const path of paths) assert(Deno.statSync(`${path}/app-app`).isDirectory, path);
  const [kilobytes] = await numbers(pod, "What `run` itself uses");
  assert(kilobytes! > 5_000 && kilobytes! < 150_000, `${kilobytes} kB`);
});
