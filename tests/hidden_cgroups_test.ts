/** Tests of entrypoints that do not see the cgroups which the pod has. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync } from "node:fs";
import { assertCode, assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import type { Host } from "./host.ts";
import { startUp } from "./pod_processes.ts";
import { readMounts } from "./procfs.ts";
import { type Need, scenario, type SimplePod } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** What covers cgroups: all of /sys, or the directory of their mounts. */
const COVERED = ["/sys", "/sys/fs/cgroup"];

/** Returns this machine with a tmpfs over a directory. */
function hostWithout(path: string): Host {
  const script = `mount -t tmpfs tmpfs ${path} && exec "$@"`;
  const mounts = ["unshare", "--mount", "--propagation", "private"];
  return { wrap: (argv) => [...mounts, "sh", "-c", script, "sh", ...argv] };
}

const LIMITED: SimplePod = {
  app: { isolators: [{ name: "resource/memory", value: { limit: "64Mi" } }] },
};

const needs: Need[] = [{
  what: "the cgroup controller memory, of version 1",
  met: readMounts().some(({ path }) => path === "/sys/fs/cgroup/memory"),
}];

/** Returns the paths of a pod's cgroups that are there. */
async function cgroupsOf(pod: Pod): Promise<string[]> {
  const record = await Deno.readTextFile(`${pod.dir}/cgroups`);
  return record.split("\n").filter((path) => path !== "" && existsSync(path));
}

for (const path of COVERED) {
  const host = hostWithout(path);

  scenario(
    `gc says which cgroups it leaves where ${path} is covered`,
    { flavor: "either", needs },
    async ({ script }) => {
      await using pod = await script("true", LIMITED);
      assertQuiet(await pod.run());
      const left = await cgroupsOf(pod);
      assert(left.length > 0);
      const result = await pod.gc({ host });
      assertCode(result, 0);
      for (const cgroup of left) {
        const line = `gc: cgroup ${cgroup}: left, if it is there: no mount shows it here\n`;
        assert(result.stderr.includes(line), result.stderr);
      }
      assertEquals(await cgroupsOf(pod), left);
      assertQuiet(await pod.gc());
      assertEquals(await cgroupsOf(pod), []);
    },
  );

  scenario(
    `enter joins no app whose cgroups are out of sight where ${path} is covered`,
    { flavor: "either", needs },
    async ({ script }) => {
      await using pod = await script("echo up; exec sleep 100", LIMITED);
      const program = await startUp(pod);
      assertPrints(await pod.enter("app", ["/bin/echo", "in"]), "in\n");
      const result = await pod.enter("app", ["/bin/echo", "in"], { host });
      assertRefused(result, "enter", /cgroup .*: no mount shows it here/);
      const forced = await pod.stop({ force: true, host });
      assertCode(forced, 0);
      assertMatch(forced.stderr, /^stop: cgroup .* no mount shows it here$/m);
      await program.result;
      assertEquals(await pod.isRunning(), false);
    },
  );
}

scenario(
  "run names the isolator whose cgroup hierarchy another mount covers",
  { needs },
  async ({ script }) => {
    await using pod = await script("echo up", LIMITED);
    const result = await pod.run({ host: hostWithout("/sys/fs/cgroup/memory") });
    assertCode(result, 0);
    assertMatch(result.stderr, /^run: .*resource\/memory.*: not enforced: no cgroup/);
  },
);
