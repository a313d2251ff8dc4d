/**
 * Tests of hostile pods: streams. Descriptors 0 to 2 of an app or a command are never files of the
 * host.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync } from "node:fs";
import { assertPrints } from "./expect.ts";
import { type Host, SCRIPT, sleep, which, withTerminal } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { startUp } from "./pod_processes.ts";
import { pathsHeldBy, readProcesses } from "./procfs.ts";
import { scenario } from "./scenario.ts";

const UP = ["/bin/sh", "-c", "echo up; exec sleep 100"];

/** Makes a host whose programs have files for streams, as a shell redirects them. */
function redirected(redirection: string): Host {
  return { wrap: (argv) => ["sh", "-c", `exec "$@" ${redirection}`, "sh", ...argv] };
}

scenario("the host's /dev/null is no app's", { flavor: "isolated" }, async ({ script }) => {
  const before = await Deno.stat("/dev/null");
  await using pod = await script("stat -L -c %d:%i /proc/self/fd/0; chmod 600 /proc/self/fd/0");
  const { stdout } = await pod.run();
  const after = await Deno.stat("/dev/null");
  await Deno.chmod("/dev/null", 0o666);
  assertEquals(after.mode, before.mode);
  assert(stdout.trim() !== `${before.dev}:${before.ino}`, stdout);
});

scenario(
  "a command has pipes in the place of its caller's files",
  { flavor: "either" },
  async (stage) => {
    const { dir, pod: prepare } = stage;
    await using pod = await prepare({ app: { exec: UP } });
    await startUp(pod);
    await Deno.writeTextFile(`${dir}/in`, "one\ntwo\n");
    const text = "readlink /proc/self/fd/0; read -r line; echo $line; readlink /proc/self/fd/1; " +
      "echo lost >/proc/self/fd/0; chmod 4777 /proc/self/fd/1; echo err >&2; sleep .5; " +
      // What it leaves running reads what enter has yet to read.
      "cat /proc/self/fd/1 & echo $! >/tmp/reader";
    const host = redirected(`<${dir}/in >${dir}/out 2>&1`);
    const { code } = await pod.enter("app", ["/bin/sh", "-c", text], { host });
    assertEquals(code, 0, await Deno.readTextFile(`${dir}/out`));
    assertEquals(await Deno.readTextFile(`${dir}/in`), "one\ntwo\n");
    assertEquals((await Deno.stat(`${dir}/out`)).mode! & 0o7777, 0o644);
    const out = await Deno.readTextFile(`${dir}/out`);
    assertMatch(out, /^pipe:\[\d+\]\none\npipe:\[\d+\]\n/);
    assertMatch(out, /^err$/m);
    await pod.enter("app", ["/bin/sh", "-c", "kill $(cat /tmp/reader)"]);
  },
);

scenario(
  "what a command leaves unread of a file is the next one's",
  { flavor: "either" },
  async (stage) => {
    const { dir, pod: prepare } = stage;
    await using pod = await prepare({ app: { exec: UP } });
    await startUp(pod);
    await Deno.writeTextFile(`${dir}/in`, "one\ntwo\n");
    const host: Host = {
      wrap: (argv) => ["sh", "-c", `("$@"; cat) <${dir}/in`, "sh", ...argv],
    };
    assertPrints(await pod.enter("app", ["/bin/true"], { host }), "one\ntwo\n");
  },
);

scenario(
  "an interactive app has pipes in the place of files",
  { flavor: "isolated" },
  async (stage) => {
    const { dir, script } = stage;
    await Deno.writeTextFile(`${dir}/in`, "one\ntwo\n");
    const text =
      "readlink /proc/self/fd/0; cat; echo lost >/proc/self/fd/0; chmod 4777 /dev/stdout";
    await using pod = await script(text);
    const host = redirected(`<${dir}/in >${dir}/out`);
    const result = await pod.run({ host, flags: { interactive: true } });
    assertEquals(result.code === 0 || result.code === 1, true, result.stderr);
    assertEquals(await Deno.readTextFile(`${dir}/in`), "one\ntwo\n");
    assertMatch(await Deno.readTextFile(`${dir}/out`), /^pipe:\[\d+\]\none\ntwo\n/);
    assertEquals((await Deno.stat(`${dir}/out`)).mode! & 0o7777, 0o644);
  },
);

scenario(
  "a directory of the host's is no command's input",
  { flavor: "isolated" },
  async ({ pod: prepare }) => {
    await using pod = await prepare({ app: { exec: UP } });
    await startUp(pod);
    const host = redirected("</etc");
    const result = await pod.enter("app", ["/bin/sh", "-c", "ls /proc/self/fd/0/ || echo no"], {
      host,
    });
    assertEquals(result.stdout, "no\n");
  },
);

scenario(
  "all that a command has written to a file is there when it has ended",
  { flavor: "either" },
  async (stage) => {
    const { dir, pod: prepare } = stage;
    await using pod = await prepare({ app: { exec: UP } });
    await startUp(pod);
    const text = "head -c 60000 /dev/zero; head -c 7 /dev/zero >&2";
    const host = redirected(`>${dir}/out 2>${dir}/err`);
    for (let attempt = 0; attempt < 8; attempt++) {
      await pod.enter("app", ["/bin/sh", "-c", text], { host });
      const sizes = ["out", "err"].map((name) => Deno.statSync(`${dir}/${name}`).size);
      assertEquals(sizes, [60_000, 7]);
    }
  },
);

/** A terminal that is still there when the program has ended. */
const LASTING_TERMINAL = withTerminal((program) => `${program}; echo over; sleep 3`);

/** Lists the processes of a user that have a file open. */
function whoHas(path: string, uid: number): number[] {
  return readProcesses().map(({ pid }) => pid).filter((pid) => {
    try {
      return Deno.statSync(`/proc/${pid}`).uid === uid && pathsHeldBy(pid).includes(path);
    } catch {
      return false;
    }
  });
}

scenario(
  "what an app leaves behind cannot open the terminal that its app was given",
  { needs: [SCRIPT] },
  async ({ script }) => {
    const late = "chmod 666 $0; sleep 1; exec 3<>$0; sleep 50";
    const text =
      `t=$(tty); echo $t.; setsid sh -c '${late}' $t </dev/null >/dev/null 2>&1 & sleep .3`;
    await using pod = await script(text, { app: { user: "volo", group: "volo" } });
    const program = await pod.launch({ host: LASTING_TERMINAL, keepsStdin: true });
    await program.prints("over");
    const terminal = program.stdout.match(/^(\/dev\/pts\/\d+)\./)![1]!;
    // The attacker was there, and its time has come.
    await sleep(1500);
    assertEquals(whoHas(terminal, 1000), []);
    const { uid, mode } = await Deno.stat(terminal);
    assertEquals([uid, mode! & 0o002], [0, 0]);
    await pod.stop({ force: true });
    await program.result;
  },
);

/** A virtual console that nobody uses, and the one that is shown, by their minor numbers. */
const [UNUSED_CONSOLE, SHOWN_CONSOLE] = [60, 0];

/**
 * A host with a console of root's and its group's for standard input. When the program has ended
 * and the console is root's again, it tells whether a user other than root can open it: by a
 * descriptor, as he may not enter the tests' directory.
 */
function onConsole(path: string, minor: number): Host {
  const text = `mknod -m 660 ${path} c 4 ${minor}; "$@" <${path}; n=0; ` +
    `until test "$(stat -c %u ${path})" = 0 || test $n = 50; do n=$((n + 1)); sleep .1; done; ` +
    `sleep .2; stat -c '%u %a' ${path}; ` +
    `setpriv --reuid 1000 --regid 1000 --clear-groups sh -c ': </proc/self/fd/3' 3<${path} 2>/dev/null ` +
    "&& echo opened; :";
  return { wrap: (argv) => ["sh", "-c", text, "sh", ...argv] };
}

const CONSOLES = [
  { what: "virtual consoles", met: existsSync("/sys/class/tty/tty60") },
  { what: "setpriv", met: which("setpriv") !== undefined },
];

/** The shapes of pods in which a user's app owns its caller's terminal. */
const OWNERS_OF_TERMINALS: [what: string, handlers: { name: string; exec: string[] }[]][] = [
  ["that run becomes", []],
  ["with an event handler", [{ name: "post-stop", exec: ["/bin/true"] }]],
];

for (const [what, eventHandlers] of OWNERS_OF_TERMINALS) {
  scenario(
    `an app ${what} leaves nobody a way into the terminal that it was given`,
    { needs: [...COMPILER, ...CONSOLES] },
    async (stage) => {
      const image = await hostileImage(stage);
      const app = { user: "1000", group: "1000", eventHandlers, exec: [HOSTILE, "let_in", "1000"] };
      await using pod = await stage.pod({ image, app });
      const host = onConsole(`${stage.dir}/console`, UNUSED_CONSOLE);
      const { stdout } = await pod.run({ host, keepsStdin: true });
      assertEquals(stdout, "let in\n0 660\n");
    },
  );
}

scenario("the console that is shown is given to no app", { needs: CONSOLES }, async (stage) => {
  const app = { user: "volo", group: "volo" };
  await using pod = await stage.script("stat -L -c %u /proc/self/fd/0", { app });
  const host = onConsole(`${stage.dir}/console`, SHOWN_CONSOLE);
  const { stdout } = await pod.run({ host, keepsStdin: true });
  assertEquals(stdout, "0\n0 660\n");
});
