/** Tests of `rkt attach`: the streams and terminals of running apps. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { attachable, ECHO, logOf, redirected, startAttachable, STREAMS, TTY } from "./attaching.ts";
import { assertCode, assertPrints, assertRefused } from "./expect.ts";
import { eventually, isThere, must, SCRIPT, sleep, TERMINAL } from "./host.ts";
import { isAlive } from "./procfs.ts";
import { Sandbox } from "./sandboxes.ts";
import { scenario } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

async function listed(pod: Pod, app = "app"): Promise<string> {
  const result = await pod.apps.attach(app, { mode: "list" }).result;
  assertEquals(result.code, 0, result.stderr);
  return result.stdout;
}

/** Ends a pod, and expects that `run` has said nothing. */
async function endQuietly(pod: Pod, run: Program): Promise<void> {
  await pod.stop();
  const { stdout, stderr } = await run.result;
  assertEquals([stdout, stderr], ["", ""]);
}

scenario(
  "streams are listed, attached to, and in the log",
  { flavor: "isolated" },
  async (stage) => {
    await using made = await startAttachable(stage, ECHO);
    const { pod, run } = made;
    assertEquals(await listed(pod), "stdin\nstdout\nstderr\n");
    const client = pod.apps.attach("app", { keepsStdin: true });
    await client.write("one\n");
    await client.prints("got one\n");
    await eventually("stderr", () => client.stderr === "err one\n");
    client.kill("SIGKILL");
    await client.result;
    const next = pod.apps.attach("app", { stdin: "two\n" });
    assertPrints(await next.result, "got two\nend\n");
    await run.result;
    assertEquals([run.stdout, run.stderr], ["", ""]);
    assertMatch(logOf(pod), /^up\ngot one\nerr one\ngot two\n(end\nerr two\n|err two\nend\n)$/);
  },
);

scenario("an app with a terminal knows its type", { flavor: "either" }, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  for (const [name, streams] of Object.entries({ screen: TTY, pipe: STREAMS })) {
    await sandbox.launch(name, 'echo "TERM is ${TERM-not set}"; exec sleep 100', { streams });
  }
  await eventually("its words", () => sandbox.log("screen").includes("TERM is xterm"));
  await eventually("no type of a pipe", () => sandbox.log("pipe").includes("TERM is not set"));
  await sandbox.close();
});

scenario("each stream can be attached to by itself", { flavor: "isolated" }, async (stage) => {
  await using made = await startAttachable(stage, ECHO);
  const { pod, run } = made;
  const out = pod.apps.attach("app", { mode: "stdout" });
  const err = pod.apps.attach("app", { mode: "stderr" });
  await sleep(500);
  const into = pod.apps.attach("app", { mode: "stdin", keepsStdin: true });
  await into.write("one\n");
  await out.prints("got one\n");
  await eventually("stderr", () => err.stderr === "err one\n");
  assertEquals([out.stderr, err.stdout, into.stdout, into.stderr], ["", "", "", ""]);
  await endQuietly(pod, run);
  for (const client of [out, err, into]) assertEquals((await client.result).code, 0);
});

scenario(
  "several clients get all, and one that leaves does no harm",
  { flavor: "either" },
  async ({ stage0, image }) => {
    const app = (name: string) => ({
      image: made,
      name,
      app: { exec: ["/bin/sh", "-c", ECHO] },
      streams: STREAMS,
    });
    const made = await image({});
    await using pod = await stage0.prepare({ apps: [app("a"), app("b")] });
    const run = await pod.start();
    await attachable(pod, "a");
    await attachable(pod, "b");
    const clients = [1, 2, 3].map(() => pod.apps.attach("a", { keepsStdin: true }));
    const other = pod.apps.attach("b", { mode: "stdout" });
    await sleep(1000);
    await clients[0]!.write("one\n");
    for (const client of clients) await client.prints("got one\n");
    clients[0]!.kill("SIGKILL");
    await clients[0]!.result;
    await clients[1]!.write("two\n");
    for (const client of clients.slice(1)) await client.prints("got two\n");
    assertEquals(other.stdout, "");
    await endQuietly(pod, run);
    for (const client of [...clients.slice(1), other]) assertEquals((await client.result).code, 0);
  },
);

scenario(
  "bytes of any value go both ways as they are",
  { flavor: "isolated" },
  async (stage) => {
    await using made = await startAttachable(stage, "head -c 256000 >/got; md5sum </got; cat /got");
    const { dir } = stage;
    const sent = new Uint8Array(256_000).map((_, i) => (i * i) >> 3);
    Deno.writeFileSync(`${dir}/sent`, sent);
    const files = `exec "$@" <${dir}/sent >${dir}/got`;
    const host = { wrap: (argv: readonly string[]) => ["sh", "-c", files, "sh", ...argv] };
    const client = await made.pod.apps.attach("app", { mode: "stdin,stdout", host }).result;
    assertEquals([client.code, client.stderr], [0, ""]);
    const sum = (await must(["md5sum", `${dir}/sent`])).slice(0, 32);
    const got = Deno.readFileSync(`${dir}/got`);
    assertEquals(new TextDecoder().decode(got.subarray(0, 36)), `${sum}  -\n`);
    assertEquals(got.subarray(36), sent);
  },
);

/** A client that has a terminal. */
function onTerminal(pod: Pod, app = "app", mode = "auto"): Program {
  const { wrap } = TERMINAL;
  const host = {
    wrap: (argv: readonly string[]) => {
      const text = 'stty rows 33 cols 77; before=$(stty -g); "$@"; status=$?; ' +
        'test "$before" = "$(stty -g)" && echo restored $status';
      return wrap(["/bin/sh", "-c", text, "sh", ...argv]);
    },
  };
  return pod.apps.attach(app, { mode, keepsStdin: true, host });
}

scenario(
  "a terminal has the client's size, and its keys; the client's is given back",
  { flavor: "isolated", needs: [SCRIPT] },
  async (stage) => {
    // A signal ends the shell's wait for a line.
    const text = 'echo up; trap "stty size" WINCH; tty; ' +
      'until [ "$line" = three ]; do read -r line && echo "got $line"; done; cat';
    await using made = await startAttachable(stage, text, { streams: TTY });
    const { pod, run } = made;
    assertEquals(await listed(pod), "tty-in\ntty-out\n");
    const client = onTerminal(pod);
    await client.prints("33 77");
    await client.write("one\n");
    await client.prints("got one");
    const watcher = pod.apps.attach("app", { mode: "tty-out" });
    await sleep(500);
    await client.write("two\n");
    await watcher.prints("got two");
    await client.write("\x1d\x1d\x1d");
    await client.prints("restored 0");
    await client.result;
    assertEquals(run.ended || watcher.ended, false);
    const next = onTerminal(pod, "app", "tty");
    await next.write("three\n");
    await next.prints("got three");
    await next.write("\x04");
    await next.prints("restored 0");
    assertEquals((await watcher.result).code, 0);
    assertEquals((await run.result).code, 0);
    assertEquals([run.stdout, run.stderr], ["", ""]);
    assertMatch(logOf(pod), /^up\r\n\/dev\/pts\/\d+\r\n33 77\r\n/);
  },
);

scenario(
  "what an app has instead of something to attach to is said in one line",
  { flavor: "isolated" },
  async (stage) => {
    for (
      const [streams, mode, why] of [
        [
          {},
          "auto",
          /^attach: app "app" has nothing to attach to: stdin is null, stdout log, stderr log\n$/,
        ],
        [
          {},
          "list",
          /^attach: app "app" has nothing to attach to: stdin is null, stdout log, stderr log\n$/,
        ],
        [
          { stdin: "interactive" },
          "tty",
          /stdin is (the caller's|interactive), stdout log, stderr log\n$/,
        ],
        [
          STREAMS,
          "tty",
          /^attach: app "app" has no tty-in: stdin is stream, stdout stream, stderr stream\n$/,
        ],
        [TTY, "stdin", /^attach: app "app" has no stdin: stdin is tty, stdout tty, stderr tty\n$/],
      ] as const
    ) {
      await using pod = await stage.script("sleep 100", { streams });
      await pod.start();
      await eventually("the socket", () => isThere(`${pod.dir}/control`));
      assertRefused(await pod.apps.attach("app", { mode }).result, "attach", why);
      assertRefused(await pod.apps.attach("other").result, "attach", /the pod has no app "other"/);
      await pod.stop();
    }
  },
);

scenario(
  "of an app that run became nobody can be asked",
  async ({ script }) => {
    await using pod = await script("sleep 100", { streams: STREAMS });
    await pod.start();
    assertRefused(
      await pod.apps.attach("app").result,
      "attach",
      /run .* has become the pod's only app/,
    );
    await pod.stop();
  },
);

scenario(
  "a client that does not read never holds the app up for long",
  { flavor: "isolated" },
  async (stage) => {
    const text = "read -r line; head -c 100000000 /dev/zero; echo done >&2; read -r line";
    await using made = await startAttachable(stage, text);
    const { pod, run } = made;
    const stalled = pod.apps.attach("app", { mode: "stdout" });
    await sleep(500);
    stalled.kill("SIGSTOP");
    const reader = pod.apps.attach("app", { mode: "stdin,stderr", keepsStdin: true });
    await reader.write("go\n");
    await eventually("all is written", () => reader.stderr === "done\n");
    stalled.kill("SIGCONT");
    await eventually(
      "the gap is told",
      () => /attach: \d+ bytes are missing here/.test(stalled.stderr),
    );
    assert(isAlive(stalled.pid));
    await pod.stop();
    await run.result;
    await stalled.result;
    assert(stalled.stdout.length < 2_000_000);
  },
);

scenario(
  "a stopped client does not keep the pod from ending",
  { flavor: "isolated" },
  async (stage) => {
    const text = "read -r line; echo up; read -r line; head -c 5000000 /dev/zero";
    await using made = await startAttachable(stage, text);
    const { pod, run } = made;
    const client = pod.apps.attach("app", { keepsStdin: true });
    await client.write("go\n");
    await client.prints("up");
    client.kill("SIGSTOP");
    assertEquals((await pod.apps.attach("app", { mode: "stdin", stdin: "on\n" }).result).code, 0);
    await eventually("the end of run", () => run.ended);
    client.kill("SIGCONT");
    await client.result;
  },
);

scenario(
  "a disk that is full ends the client alone, and a reader that has gone too",
  { flavor: "isolated" },
  async (stage) => {
    await using made = await startAttachable(stage, ECHO);
    const { pod, run } = made;
    const full = pod.apps.attach("app", { keepsStdin: true, host: redirected(">/dev/full") });
    await full.write("one\n");
    const { code, stderr } = await full.result;
    assertEquals(code, 254);
    assertMatch(stderr, /attach: output is no longer passed on: .*ENOSPC/);
    const gone = pod.apps.attach("app", { keepsStdin: true, host: redirected("| head -n 1") });
    await gone.write("two\n");
    await gone.prints("got two");
    await gone.write("three\n");
    await gone.result;
    const closed = pod.apps.attach("app", { keepsStdin: true, host: redirected(">&- 2>&-") });
    await closed.write("four\n");
    await eventually("it is heard", () => logOf(pod).includes("got four"));
    closed.kill("SIGTERM");
    assertEquals((await closed.result).signal, "SIGTERM");
    await endQuietly(pod, run);
  },
);

scenario(
  "an app of a pod that changes is attached to through every start of it",
  { flavor: "either" },
  async ({ stage0, image }) => {
    const made = await image({});
    await using pod = await stage0.prepare({ apps: [], mutable: true });
    await pod.startSandbox();
    for (const [name, streams] of [["s", STREAMS], ["t", TTY]] as const) {
      const add = { image: made, name, streams, app: { exec: ["/bin/sh", "-c", ECHO] } };
      assertCode(await pod.apps.add(add), 0);
      const attach = () => pod.apps.attach(name, { keepsStdin: true });
      assertRefused(
        await attach().result,
        "attach",
        new RegExp(`app "${name}" does not run: it has yet to start$`, "m"),
      );
      for (const line of ["one", "two"]) {
        assertCode(await pod.apps.start(name), 0);
        const client = attach();
        await client.write(`${line}\n`);
        await client.prints(`got ${line}`);
        assertCode(await pod.apps.stop(name), 0);
        assertEquals((await client.result).code, 0);
        assertRefused(await attach().result, "attach", /does not run: it has ended/);
      }
      assertCode(await pod.apps.start(name), 0);
      const last = attach();
      await last.write("three\n");
      await last.prints("got three");
      assertCode(await pod.apps.rm(name), 0);
      assertEquals((await last.result).code, 0);
      assertRefused(await attach().result, "attach", new RegExp(`no app "${name}"`));
      assertMatch(logOf(pod, name), /^up\r?\n(one\r\n)?got one[^]*got two[^]*got three/);
    }
    await pod.stop();
  },
);

scenario(
  "a user's app can open its streams again by their names",
  { flavor: "either" },
  async ({ stage0, image }) => {
    const made = await image({});
    await using pod = await stage0.prepare({ apps: [], mutable: true });
    await pod.startSandbox();
    const text = "read -r line </dev/stdin; echo $line >/dev/stdout; echo $line >/dev/stderr; cat";
    const app = { user: "volo", group: "volo", exec: ["/bin/sh", "-c", text] };
    for (const [name, streams] of [["s", STREAMS], ["t", TTY]] as const) {
      assertCode(await pod.apps.add({ image: made, name, streams, app }), 0);
      assertCode(await pod.apps.start(name), 0);
      const client = pod.apps.attach(name, { keepsStdin: true });
      await client.write("one\n");
      await client.prints("one");
      await eventually(
        "both",
        () => logOf(pod, name).match(/one/g)?.length === (name === "s" ? 2 : 3),
      );
    }
    await pod.stop();
  },
);

scenario(
  "an app of a pod with users of its own has its streams and its terminal",
  { flavor: "isolated", needs: [SCRIPT] },
  async (stage) => {
    const private_ = { privateUsers: "200000:65536" };
    const text = 'echo up; read -r line </dev/stdin; echo "got $line" >/dev/stdout; ' +
      'test -t 0 && stty size && echo "mine $(stat -c %u $(tty))" >/dev/tty; sleep 100';
    await using sandbox = await Sandbox.open(stage, { ...private_, overlay: false });
    for (const [user, uid] of [["root", 0], ["volo", 1000]] as const) {
      const app = { user, group: user };
      for (const [kind, streams] of [["streams", STREAMS], ["tty", TTY]] as const) {
        await using begun = await startAttachable(stage, text, { ...private_, streams, app });
        const name = `${user}-${kind}`;
        await sandbox.launch(name, text, { streams, app });
        for (const [pod, it] of [[begun.pod, "app"], [sandbox.pod, name]] as const) {
          const client = kind === "tty"
            ? onTerminal(pod, it)
            : pod.apps.attach(it, { keepsStdin: true });
          await client.write("one\n");
          await client.prints("got one");
          if (kind === "streams") continue;
          await client.prints("33 77");
          await client.prints(`mine ${uid}`);
          await client.write("\x1d\x1d\x1d");
          await client.prints("restored 0");
        }
        await begun.pod.stop({ force: true });
      }
    }
    await sandbox.pod.stop({ force: true });
  },
);
