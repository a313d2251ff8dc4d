/**
 * Tests of hostile pods: apps that somebody attaches to. They reach their own terminals and pipes,
 * and keep nobody from detaching.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually, type Host, SCRIPT, sleep, TERMINAL } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { scenario } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

const NEEDS = [SCRIPT, ...COMPILER];
const TTY = { stdin: "tty", stdout: "tty", stderr: "tty" } as const;
const DETACH = "\x1d\x1d\x1d";

/** A terminal of which is told, when the client has ended, what has become of it. */
const WATCHED: Host = {
  wrap: (argv) => {
    const text = 'stty rows 33 cols 77; before=$(stty -g); "$@"; echo "status $?"; stty size; ' +
      'test "$before" = "$(stty -g)" && echo sane; ' +
      "timeout 1 head -c 1 | grep -q . && echo typed; echo over";
    return TERMINAL.wrap(["/bin/sh", "-c", text, "sh", ...argv]);
  },
};

/** Detaches, and expects that it takes no time, and that the terminal is as it was. */
async function detach(client: Program): Promise<void> {
  const before = Date.now();
  await client.write(DETACH);
  await client.prints("status 0");
  assert(Date.now() - before < 3000);
  await client.prints("over");
  assertMatch((await client.result).stdout, /status 0\r\n33 77\r\nsane\r\nover\r\n$/);
}

async function began(pod: Pod): Promise<void> {
  await eventually("the app", () => {
    try {
      return Deno.statSync(`${pod.dir}/log/app.log`).size > 0;
    } catch {
      return false;
    }
  });
}

scenario(
  "an app that meddles with every terminal that it finds leaves those of its clients alone",
  { flavor: "isolated", needs: NEEDS },
  async (stage) => {
    const image = await hostileImage(stage);
    const capabilities = ["CAP_KILL", "CAP_SYS_PTRACE", "CAP_SYS_TTY_CONFIG", "CAP_DAC_OVERRIDE"];
    const isolators = [{ name: "os/linux/capabilities-retain-set", value: { set: capabilities } }];
    const app = { exec: [HOSTILE, "meddle"], isolators };
    await using pod = await stage.pod({ image, app, streams: TTY });
    await pod.start();
    await began(pod);
    const client = pod.apps.attach("app", { keepsStdin: true, host: WATCHED });
    const other = pod.apps.attach("app", { keepsStdin: true, host: WATCHED });
    await client.prints("meddled");
    await client.write("typed\n".repeat(1000));
    await sleep(1000);
    await detach(client);
    await detach(other);
    await pod.stop({ force: true });
  },
);

scenario(
  "who attaches to an app that floods, or does not read, detaches at once",
  { flavor: "isolated", needs: NEEDS },
  async (stage) => {
    for (
      const text of ["exec yes", "echo up; exec sleep 100", "stty raw; echo up; exec sleep 100"]
    ) {
      await using pod = await stage.script(text, { streams: TTY });
      const run = await pod.start();
      await began(pod);
      const client = pod.apps.attach("app", { keepsStdin: true, host: WATCHED });
      await sleep(500);
      // More than all buffers on the way hold.
      for (let count = 0; count < 100; count++) await client.write("x".repeat(8000));
      await sleep(500);
      await detach(client);
      assertEquals(run.ended, false);
      await pod.stop({ force: true });
      await run.result;
    }
  },
);
