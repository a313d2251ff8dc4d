/** Tests of `rkt attach`: whatever the caller's own streams are. */

import { assertEquals, assertMatch } from "@std/assert";
import {
  ECHO,
  logOf,
  redirected,
  SANE,
  shell,
  startAttachable,
  STREAMS,
  TTY,
} from "./attaching.ts";
import { assertCode, assertRefused } from "./expect.ts";
import { SCRIPT, which } from "./host.ts";
import { scenario } from "./scenario.ts";

const BASH = { what: "bash", met: which("bash") !== undefined };

/** What a caller's input may be, and what the app reads of it before it comes to its end. */
const INPUTS: readonly [what: string, redirect: (input: Input) => string, read: string][] = [
  ["closed", () => "<&-", ""],
  ["/dev/null", () => "</dev/null", ""],
  ["a file", ({ file }) => `<${file}`, "one\n"],
  ["a directory", () => "</", ""],
  ["open for writing only", ({ file }) => `0>>${file}`, ""],
  ["a socket", ({ port }) => `<>/dev/tcp/127.0.0.1/${port}`, "one\n"],
];

/** Where there is something to read: a line. */
interface Input {
  file: string;
  /** A TCP port of this machine's. */
  port: number;
}

/** Lets each who connects to a port read a line, and then the end. */
function serveLine(): { port: number } & Disposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const connection of listener) {
      await connection.write(new TextEncoder().encode("one\n"));
      connection.close();
    }
  })();
  return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
}

for (const [what, redirect, read] of INPUTS) {
  scenario(
    `a caller's input ends the app's where it ends: ${what}`,
    { flavor: "isolated", needs: [BASH] },
    async (stage) => {
      using server = serveLine();
      const file = `${stage.dir}/line`;
      Deno.writeTextFileSync(file, "one\n");
      const host = redirected(redirect({ file, port: server.port }));
      const text = "stty -echo 2>/dev/null; echo up; cat; echo end; sleep .5";
      for (const streams of [STREAMS, TTY]) {
        await using made = await startAttachable(stage, text, { streams });
        const client = await made.pod.apps.attach("app", { host }).result;
        assertEquals([client.code, client.stderr], [0, ""]);
        assertEquals(client.stdout.replaceAll("\r", "").replace(/^up\n/, ""), `${read}end\n`);
        assertCode(await made.run.result, 0);
      }
    },
  );
}

scenario(
  "that a list could not be written is told",
  { flavor: "isolated", needs: [BASH] },
  async (stage) => {
    await using made = await startAttachable(stage, ECHO);
    const host = redirected(">/dev/full");
    const listed = await made.pod.apps.attach("app", { mode: "list", host }).result;
    assertRefused(listed, "attach", /: stdout: cannot be written: No space left/);
    await made.pod.stop();
  },
);

for (
  const [what, to, status] of [["a full disk", ">/dev/full", 254], [
    "a pipe that nobody reads",
    "> >(true)",
    0,
  ]] as const
) {
  scenario(
    `a client that writes to ${what} ends, and gives the terminal back`,
    { flavor: "isolated", needs: [BASH, SCRIPT] },
    async (stage) => {
      for (const streams of [STREAMS, TTY]) {
        await using made = await startAttachable(stage, ECHO, { streams });
        const host = shell(`"$@" ${to}; echo "status $?"; ${SANE}; echo over`);
        const client = made.pod.apps.attach("app", { keepsStdin: true, host });
        await client.write("one\n");
        await client.prints("over");
        assertMatch((await client.result).stdout, new RegExp(`status ${status}\r\nsane`));
        assertEquals([made.run.ended, logOf(made.pod).includes("end")], [false, false]);
        await made.pod.stop();
      }
    },
  );
}

scenario(
  "what the caller ignores ends no client, and one that was stopped goes on",
  { flavor: "isolated" },
  async (stage) => {
    await using made = await startAttachable(stage, ECHO);
    const ignoredSignals = ["HUP", "INT", "TERM"];
    const client = made.pod.apps.attach("app", { keepsStdin: true, ignoredSignals });
    await client.write("one\n");
    await client.prints("got one");
    for (
      const signal of ["SIGHUP", "SIGINT", "SIGTERM", "SIGWINCH", "SIGTSTP", "SIGCONT"] as const
    ) {
      client.kill(signal);
    }
    await client.write("two\n");
    await client.prints("got two");
    client.kill("SIGUSR1");
    assertEquals((await client.result).signal, "SIGUSR1");
    assertEquals([made.run.ended, logOf(made.pod).includes("end")], [false, false]);
    await made.pod.stop();
  },
);

scenario(
  "a client whose stderr takes nothing ends when there is something to write, and says so by its status",
  { flavor: "isolated", needs: [BASH] },
  async (stage) => {
    await using made = await startAttachable(stage, ECHO);
    for (const to of ["2>/dev/full", ">/dev/full 2>&1"]) {
      const client = made.pod.apps.attach("app", { keepsStdin: true, host: redirected(to) });
      await client.write("one\n");
      const { code, stderr } = await client.result;
      assertEquals([code, stderr], [254, ""]);
    }
    assertEquals([made.run.ended, logOf(made.pod).includes("end")], [false, false]);
    await made.pod.stop();
  },
);
