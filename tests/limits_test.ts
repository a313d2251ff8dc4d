/**
 * Tests of the caller's limits. Entrypoints raise those that the runtime needs; apps, handlers and
 * commands have the caller's again.
 */

import { assertEquals } from "@std/assert";
import { assertPrints, assertRefused } from "./expect.ts";
import { must } from "./host.ts";
import { startUp } from "./pod_processes.ts";
import { readStatus } from "./procfs.ts";
import { scenario } from "./scenario.ts";

/**
 * Limits that are too low for the runtime but enough for a shell: address space, data, stack, open
 * files, file size.
 */
const LOW = ["-S -v 4000000", "-S -d 300000", "-S -s 200", "-S -n 21", "-S -f 1000"];

const SHOW = ["/bin/cat", "/proc/self/limits"];

/** Returns the limits that a program sees with these, and with this process's for all others. */
async function limitsUnder(limits: readonly string[]): Promise<string> {
  const lowering = limits.map((limit) => `ulimit ${limit} && `).join("");
  return await must(["sh", "-c", `${lowering}exec ${SHOW.join(" ")}`]);
}

scenario(
  "an app has the caller's limits, though run has more",
  { flavor: "either" },
  async ({ pod: prepare }) => {
    await using pod = await prepare({ app: { exec: SHOW } });
    assertPrints(await pod.run({ limits: LOW }), await limitsUnder(LOW));
  },
);

scenario(
  "so have apps of a pod of several, and event handlers",
  { flavor: "either" },
  async (stage) => {
    const image = await stage.image({});
    const handler = { name: "pre-start", exec: ["/bin/sh", "-c", "ulimit -Sn; ulimit -Sv"] };
    const app = { exec: ["/bin/sh", "-c", "ulimit -Sf"], eventHandlers: [handler] };
    await using pod = await stage.stage0.prepare({ apps: [{ image, name: "app", app }] });
    const { stdout, code } = await pod.run({ limits: LOW });
    assertEquals({ code, lines: stdout.replace(/^.*: /gm, "").split("\n") }, {
      code: 0,
      lines: ["21", "4000000", "1000", ""],
    });
  },
);

scenario("a command has the limits of enter's caller", { flavor: "either" }, async ({ script }) => {
  await using pod = await script("echo up; exec sleep 100");
  await startUp(pod);
  assertPrints(await pod.enter("app", SHOW, { limits: LOW }), await limitsUnder(LOW));
});

/** The capability that allows raising a hard limit: capabilities(7). */
const CAP_SYS_RESOURCE = 1n << 24n;

/** Hard limits that are too low for the runtime, and the error for each. */
const HARD: Record<string, RegExp> = {
  "-v 4000000": /^run: the runtime needs ulimit -v 67108864: .* CAP_SYS_RESOURCE/,
  "-s 100": /^run: the runtime needs ulimit -s 1024: .* CAP_SYS_RESOURCE/,
  "-n 20": /^run: the runtime needs ulimit -n 64: .* CAP_SYS_RESOURCE/,
};

for (const [hard, message] of Object.entries(HARD)) {
  const name = `a hard limit is lifted where that is allowed, or named: ulimit ${hard}`;
  scenario(name, { flavor: "either" }, async ({ pod: prepare }) => {
    await using pod = await prepare({ app: { exec: SHOW } });
    const result = await pod.run({ limits: [hard] });
    const mayRaise = (BigInt(`0x${readStatus(Deno.pid)["CapEff"]}`) & CAP_SYS_RESOURCE) !== 0n;
    if (mayRaise) assertPrints(result, await limitsUnder([hard]));
    else assertRefused(result, "run", message);
  });
}

scenario(
  "a hard limit that is low, but enough, is kept",
  { flavor: "either" },
  async ({ pod: prepare }) => {
    const limits = ["-n 100", "-s 2048", "-d 200000"];
    await using pod = await prepare({ app: { exec: SHOW } });
    assertPrints(await pod.run({ limits }), await limitsUnder(limits));
  },
);

scenario("a caller cannot say what its limits are", { flavor: "either" }, async ({ script }) => {
  await using pod = await script("ulimit -Sn");
  const env = { STAGE1_VOLO_LIMITS: "7:9:9" };
  assertPrints(await pod.run({ env, limits: ["-S -n 2000"] }), "2000\n");
});
