/**
 * Tests of `rkt attach` to an app's terminal, and from the caller's: job control, hang-ups, and
 * what is shown in the terminal of `rkt run`.
 */

import { assertEquals, assertMatch } from "@std/assert";
import {
  ECHO,
  findAttach,
  logOf,
  SANE,
  shell,
  startAttachable,
  STATUS,
  STREAMS,
  TTY,
} from "./attaching.ts";
import { assertRefused } from "./expect.ts";
import { eventually, SCRIPT, sleep, TERMINAL, which } from "./host.ts";
import { isAlive } from "./procfs.ts";
import { scenario } from "./scenario.ts";
import type { Program } from "./stage0.ts";

const NEEDS = [SCRIPT, { what: "bash", met: which("bash") !== undefined }];

/** Counts the sockets that a process has. */
function countSockets({ pid }: { pid: number }): number {
  const fds = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => `/proc/${pid}/fd/${name}`);
  return fds.filter((fd) => Deno.readLinkSync(fd).startsWith("socket:")).length;
}

function isStopped(pid: number): boolean {
  return Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") T ");
}

for (const [what, streams] of [["a terminal", TTY], ["streams", STREAMS]] as const) {
  scenario(
    `attach & waits in the background until it has the terminal: ${what}`,
    { flavor: "isolated", needs: NEEDS },
    async (stage) => {
      await using made = await startAttachable(stage, ECHO, { streams });
      const text = `"$@" & until jobs | grep -q Stopped; do sleep .1; done; echo waits; ${SANE}; ` +
        `read -r line; echo "shell $line"; fg >/dev/null; ${SANE}; echo over`;
      const host = shell(text);
      const before = countSockets(made.run);
      const client = made.pod.apps.attach("app", { keepsStdin: true, host });
      await client.prints("sane");
      // The supervisor lets go whoever has connected and says nothing for half a minute.
      assertEquals(countSockets(made.run), before);
      await client.write("mine\n");
      await client.prints("shell mine");
      await sleep(500);
      await client.write("typed\n");
      await client.prints("got typed");
      await client.write("\x04");
      await client.prints("over");
      assertMatch((await client.result).stdout, /waits\r\nsane[^]*sane\r\nover/);
      assertEquals((await made.run.result).code, 0);
    },
  );

  scenario(
    `a client that is stopped has the caller's terminal no more, and has it again: ${what}`,
    { flavor: "isolated", needs: NEEDS },
    async (stage) => {
      await using made = await startAttachable(stage, ECHO, { streams });
      const text =
        `"$@"; echo stopped; ${SANE}; read -r line; echo "shell $line"; fg >/dev/null; ` +
        `${SANE}; echo over`;
      const client = made.pod.apps.attach("app", { keepsStdin: true, host: shell(text) });
      await client.write("one\n");
      await client.prints("got one");
      Deno.kill(findAttach(client)!.pid, "SIGTSTP");
      await client.prints("sane");
      await client.write("mine\n");
      await client.prints("shell mine");
      await sleep(500);
      await client.write("two\n");
      await client.prints("got two");
      await client.write("\x04");
      await client.prints("over");
      await client.result;
    },
  );

  for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1"] as const) {
    scenario(
      `${signal} ends a client, restores its terminal, and is no end of the app's input: ${what}`,
      { flavor: "isolated", needs: NEEDS },
      async (stage) => {
        await using made = await startAttachable(stage, ECHO, { streams });
        const host = shell(`${STATUS}; ${SANE}; echo over`);
        const client = made.pod.apps.attach("app", { keepsStdin: true, host });
        await client.write("one\n");
        await client.prints("got one");
        Deno.kill(findAttach(client)!.pid, signal);
        await client.prints("over");
        const number = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15, SIGUSR1: 10 }[signal];
        assertMatch((await client.result).stdout, new RegExp(`status ${128 + number}\r\nsane`));
        await sleep(200);
        assertEquals([made.run.ended, logOf(made.pod).includes("end")], [false, false]);
        await made.pod.stop();
      },
    );
  }

  scenario(
    `a client that goes on after SIGSTOP has the terminal again: ${what}`,
    { flavor: "isolated", needs: NEEDS },
    async (stage) => {
      await using made = await startAttachable(stage, ECHO, { streams });
      const text = `"$@"; stty $stty; echo stopped; fg >/dev/null; ${SANE}; echo over`;
      const client = made.pod.apps.attach("app", { keepsStdin: true, host: shell(text) });
      await client.write("one\n");
      await client.prints("got one");
      const { pid } = findAttach(client)!;
      // Nobody has stopped it.
      Deno.kill(pid, "SIGCONT");
      await client.write("two\n");
      await client.prints("got two");
      Deno.kill(pid, "SIGSTOP");
      await client.prints("stopped");
      await eventually("it goes on", () => !isStopped(pid));
      await client.write("three\n");
      await client.prints("got three");
      await client.write("\x04");
      await client.prints("over");
      assertMatch((await client.result).stdout, /sane\r\nover/);
      assertEquals((await made.run.result).code, 0);
    },
  );

  scenario(
    `whenever a client is ended, the caller has the terminal: ${what}`,
    { flavor: "isolated", needs: NEEDS },
    async (stage) => {
      await using made = await startAttachable(stage, ECHO, { streams });
      // The shell's own words come when its terminal is as it was.
      const text = "for time in .02 .04 .06 .08 .1 .12 .14 .16 .18 .2 .24 .28 .32 .4 .5 .6; do " +
        `timeout --foreground --signal=INT $time "$@"; echo "status $?"; ${SANE} || echo raw; ` +
        "done; echo over";
      const client = made.pod.apps.attach("app", { keepsStdin: true, host: shell(text) });
      await client.prints("over");
      const { stdout } = await client.result;
      assertEquals([stdout.match(/sane/g)?.length, stdout.includes("raw")], [16, false]);
      // 124 is that of timeout.
      assertEquals(stdout.match(/status (?!124)\d+/g), null);
      assertEquals([made.run.ended, logOf(made.pod).includes("end")], [false, false]);
      await made.pod.stop();
    },
  );

  scenario(
    `a terminal that is hung up ends its client, and is no end of the app's input: ${what}`,
    { flavor: "isolated", needs: NEEDS },
    async (stage) => {
      await using made = await startAttachable(stage, ECHO, { streams });
      // Without a controlling terminal nobody is sent SIGHUP.
      for (const text of ['exec "$@"', 'exec setsid --wait "$@"']) {
        const client = made.pod.apps.attach("app", { keepsStdin: true, host: shell(text) });
        await client.write("one\n");
        await client.prints("got one");
        const { pid } = findAttach(client)!;
        client.kill("SIGKILL");
        await client.result;
        await eventually("the client's end", () => !isAlive(pid));
        assertEquals([made.run.ended, logOf(made.pod).includes("end")], [false, false]);
      }
      await made.pod.stop();
    },
  );
}

scenario(
  "^C detaches from streams, and reaches an app with a terminal",
  { flavor: "isolated", needs: NEEDS },
  async (stage) => {
    const text = "trap 'echo caught' INT; echo up; while :; do sleep .1; done";
    for (const [streams, what] of [[STREAMS, "status 130"], [TTY, "caught"]] as const) {
      await using made = await startAttachable(stage, text, { streams });
      const host = shell(`${STATUS}; ${SANE}`);
      const client = made.pod.apps.attach("app", { keepsStdin: true, host });
      await eventually("the client", () => (findAttach(client)?.pid ?? 0) > 0);
      await sleep(500);
      await client.write("\x03");
      await client.prints(what);
      if (streams === TTY) await client.write("\x1d\x1d\x1d");
      await client.prints("sane");
      await client.result;
      assertEquals([made.run.ended, logOf(made.pod).includes("caught")], [false, streams === TTY]);
      await made.pod.stop({ force: true });
    }
  },
);

scenario(
  "a terminal that rkt run shows is attached to as well",
  { flavor: "either", needs: [SCRIPT] },
  async (stage) => {
    const handlers = [{ name: "post-stop" as const, exec: ["/bin/sh", "-c", "echo after"] }];
    // In the host's namespaces, run stays with an app that has a handler.
    const app = { eventHandlers: handlers };
    await using pod = await stage.script(ECHO, { streams: TTY, app });
    const run: Program = await pod.launch({ host: TERMINAL, keepsStdin: true });
    await run.prints("up");
    await run.write("one\n");
    await run.prints("got one");
    const client = pod.apps.attach("app", { keepsStdin: true });
    await client.write("two\n");
    await run.prints("got two");
    await client.prints("got two");
    client.kill("SIGKILL");
    await client.result;
    await run.write("three\n\x04");
    await run.prints("end");
    assertEquals((await run.result).code, 0);
    assertMatch(logOf(pod), /^up\r\none\r\ngot one\r\n[^]*end\r\nafter\n$/);
  },
);

scenario(
  "the keys end a pod whose terminal is shown, and --interactive is not attached to",
  { flavor: "isolated", needs: [SCRIPT] },
  async (stage) => {
    for (const interactive of [false, true]) {
      await using pod = await stage.script(ECHO, interactive ? {} : { streams: TTY });
      const host = TERMINAL;
      const run = await pod.launch({ host, keepsStdin: true, flags: { interactive } });
      await run.prints("up");
      const listed = await pod.apps.attach("app", { mode: "list" }).result;
      if (interactive) {
        assertRefused(listed, "attach", /nothing to attach to: stdin is interactive/);
      } else {
        assertEquals(listed.stdout, "tty-in\ntty-out\n");
      }
      await run.write("\x1d\x1d\x1d");
      assertEquals((await run.result).code, 137);
    }
  },
);

scenario(
  "streams of several kinds are each what they were asked to be",
  { flavor: "isolated", needs: [SCRIPT] },
  async (stage) => {
    const text =
      'echo up >&2; read -r line; echo "out $line"; test -t 0 && test ! -t 1 && echo mixed';
    const streams = { stdin: "tty", stdout: "log", stderr: "stream" };
    await using pod = await stage.script(text, { streams });
    const run = await pod.start();
    await eventually("the app", () => logOf(pod).includes("up"));
    assertEquals(
      (await pod.apps.attach("app", { mode: "list" }).result).stdout,
      "stderr\ntty-in\ntty-out\n",
    );
    const client = await pod.apps.attach("app", { stdin: "one\n" }).result;
    assertEquals([client.code, client.stdout.replace("\r", "")], [0, "one\n"]);
    assertEquals((await run.result).stdout, "out one\nmixed\n");
  },
);
