/** Tests of rkt in a chroot, whose root may be a directory or a mount. */

import { assertEquals, assertMatch } from "@std/assert";
import { ChrootHost, type ChrootKind } from "./chroot_host.ts";
import { assertPrints, assertQuiet } from "./expect.ts";
import { eventually, must } from "./host.ts";
import { inJail, MAKE_JAIL } from "./jail.ts";
import { childrenOf, readProcess } from "./procfs.ts";
import { EVERY_KERNEL, scenario, type SimplePod, type Stage } from "./scenario.ts";
import type { Program } from "./stage0.ts";

const KINDS: readonly ChrootKind[] = ["a directory", "a mount"];

/** Where everything of the tests is. */
const TEMP_DIR = Deno.env.get("TMPDIR") ?? "/tmp";

/** Returns the process id of an app: its process began last, where `run` did not become it. */
function processOf({ pid }: Program): number {
  return childrenOf(pid).at(-1)?.pid ?? pid;
}

function volume(source: string): SimplePod {
  return {
    volumes: [{ name: "data", kind: "host", source }],
    mounts: [{ volume: "data", path: "/data" }],
  };
}

for (const kind of KINDS) {
  const runs = async ({ dir, script }: Stage): Promise<void> => {
    // A volume of the chroot's own root, whose mount rkt may not see.
    await Deno.mkdir(`${dir}/root/source`, { recursive: true });
    await Deno.writeTextFile(`${dir}/root/source/file`, "found\n");
    const text = "cat /data/file; ls /; echo up; exec sleep 100";
    await using pod = await script(text, volume("/source"));
    await using host = await ChrootHost.open(`${dir}/root`, kind, TEMP_DIR);
    const before = host.mounts();
    const program = await pod.start({ host });
    await program.prints("up");
    assertMatch(program.stdout, /^found\nbin\ndata\ndev\n/);
    assertEquals(host.mounts(), before);
    assertPrints(await pod.enter("app", ["/bin/cat", "/data/file"], { host }), "found\n");
    assertQuiet(await pod.stop({ host }));
    await program.result;
    assertEquals(await pod.isRunning(), false);
    assertQuiet(await pod.gc({ host }));
    assertEquals(host.mounts().length, before.length);
  };
  const name = `a pod runs in a chroot whose root is ${kind}`;
  scenario(name, { kernels: EVERY_KERNEL }, runs);
  scenario(name, { flavor: "isolated" }, runs);

  scenario(
    `an app's mount namespace has nothing of a chroot whose root is ${kind}`,
    { flavor: "either" },
    async ({ dir, script }) => {
      await using pod = await script("ls /; echo up; exec sleep 100");
      await using host = await ChrootHost.open(`${dir}/root`, kind, TEMP_DIR);
      const program = await pod.start({ host });
      await program.prints("up");
      const app = processOf(program);
      // nsenter joins the namespace, and has its root from then on.
      const root = await must(["nsenter", `--mount=/proc/${app}/ns/mnt`, "/bin/ls", "/"]);
      assertEquals(`${root}up\n`, program.stdout);
      program.kill("SIGKILL");
      await program.result;
    },
  );

  scenario(
    `a pod has users of its own in a chroot whose root is ${kind}`,
    { flavor: "isolated" },
    async ({ dir, script }) => {
      await using pod = await script("head -n 1 /proc/self/uid_map", {
        privateUsers: "200000:65536",
      });
      await using host = await ChrootHost.open(`${dir}/root`, kind, TEMP_DIR);
      const { stdout } = await pod.run({ host });
      assertEquals(stdout.trim().split(/ +/), ["0", "200000", "65536"]);
    },
  );

  scenario(
    `stop reaches an app that has called chroot in a chroot whose root is ${kind}`,
    { flavor: "either" },
    async ({ dir, script }) => {
      await using pod = await script(`${MAKE_JAIL}; echo up; exec ${inJail("sleep 100")}`);
      await using host = await ChrootHost.open(`${dir}/root`, kind, TEMP_DIR);
      const program = await pod.start({ host });
      await program.prints("up");
      const app = processOf(program);
      await eventually("the jail", () => readProcess(app)?.argv.includes("sleep") ?? false);
      assertPrints(await pod.enter("app", ["/bin/cat", "/jail/name"], { host }), "jail\n");
      assertQuiet(await pod.stop({ host }));
      await program.result;
      assertEquals(await pod.isRunning(), false);
    },
  );
}
