/**
 * Tests of the caller's pipes and terminals that an app or command has as its streams: its user may
 * open them by name, and root has them back afterwards.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { type Host, SCRIPT, TERMINAL, withTerminal } from "./host.ts";
import { startUp } from "./pod_processes.ts";
import { scenario, type SimplePod } from "./scenario.ts";

const USER = { user: "volo", group: "volo" };
const HANDLER = { name: "post-stop", exec: ["/bin/sh", "-c", "exit 0"] };
const WITH_HANDLER = { ...USER, eventHandlers: [HANDLER] };

/** Writes to all names of its streams, and reads its input by name. */
const BY_NAME = "cat </dev/stdin; echo one >/dev/stdout; echo two >/proc/self/fd/1; " +
  "echo three >/dev/stderr; echo four >/dev/fd/2; chmod 666 /proc/self/fd/1";

/** The shapes of pods whose only app has streams of its caller's. */
const SHAPES: [what: string, flavor: "host" | "isolated", app: SimplePod["app"]][] = [
  ["that run becomes", "host", USER],
  ["with an event handler", "host", WITH_HANDLER],
  ["in namespaces of its own", "isolated", USER],
  ["in namespaces of its own, with an event handler", "isolated", WITH_HANDLER],
];

/**
 * A host that tells the owners of its streams when the program has ended. Where nobody stays with
 * the app, they change a moment later.
 */
const OWNERS: Host = {
  wrap: (argv) => [
    "sh",
    "-c",
    '"$@"; status=$?; n=0; until test "$(stat -L -c %u /proc/self/fd/2)" = 0 || test $n = 50; do ' +
    "n=$((n + 1)); sleep .1; done; " +
    "stat -L -c 'owner %u %a' /proc/self/fd/0 /proc/self/fd/2; exit $status",
    "sh",
    ...argv,
  ],
};

for (const [what, flavor, app = {}] of SHAPES) {
  scenario(
    `a user's app ${what} may open its caller's pipes by name`,
    { flavor },
    async ({ script }) => {
      await using pod = await script(BY_NAME, { app });
      const flags = flavor === "isolated" ? { interactive: true } : {};
      const { code, stdout, stderr } = await pod.run({ stdin: "zero\n", flags, host: OWNERS });
      assertEquals({ code, stdout, stderr }, {
        code: 0,
        stdout: "zero\none\ntwo\nowner 0 600\nowner 0 600\n",
        stderr: "three\nfour\n",
      });
    },
  );
}

scenario(
  "a user with an id of the pod's own may open its caller's pipes by name",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(BY_NAME, {
      overlay: false,
      privateUsers: "100000:65536",
      app: USER,
    });
    const result = await pod.run({ stdin: "", flags: { interactive: true }, host: OWNERS });
    assertEquals([result.code, result.stdout, result.stderr], [
      0,
      "one\ntwo\nowner 0 600\nowner 0 600\n",
      "three\nfour\n",
    ]);
  },
);

scenario(
  "a user's command may open its caller's pipes by name",
  { flavor: "either" },
  async ({ script }) => {
    await using pod = await script("echo up; exec sleep 100", { app: USER });
    await startUp(pod);
    const command = ["/bin/sh", "-c", BY_NAME];
    const { code, stdout, stderr } = await pod.enter("app", command, { stdin: "", host: OWNERS });
    assertEquals({ code, stdout, stderr }, {
      code: 0,
      stdout: "one\ntwo\nowner 0 600\nowner 0 600\n",
      stderr: "three\nfour\n",
    });
  },
);

scenario(
  "a user's command may open its terminal by name",
  { flavor: "either", needs: [SCRIPT] },
  async ({ script }) => {
    await using pod = await script("echo up; exec sleep 100", { app: USER });
    await startUp(pod);
    const text = "echo one >/dev/stderr; echo two >/proc/self/fd/1; echo three >$(tty)";
    const options = { host: TERMINAL, keepsStdin: true };
    const { stdout } = await pod.enter("app", ["/bin/sh", "-c", text], options);
    assertEquals(stdout, "one\r\ntwo\r\nthree\r\n");
  },
);

/** A host with a terminal that tells its owner before the program and after it. */
const OWNED_TERMINAL = withTerminal((program) => {
  const show = "stat -c 'owner %u %a' $(tty)";
  return `before=$(${show}); ${program}; n=0; ` +
    `until test "$(${show})" = "$before" || test $n = 50; do n=$((n + 1)); sleep .1; done; ` +
    `test "$(${show})" = "$before" && echo given back`;
});

for (const [what, flavor, app = {}] of SHAPES.slice(0, 2)) {
  scenario(
    `a user's app ${what} may open its caller's terminal by name, and does not keep it`,
    { flavor, needs: [SCRIPT] },
    async ({ script }) => {
      const text = "echo one >/dev/stderr; echo two >/proc/self/fd/1; chmod 666 /proc/self/fd/0; " +
        "stat -L -c '%u %a' /proc/self/fd/0";
      await using pod = await script(text, { app });
      const { stdout } = await pod.run({ host: OWNED_TERMINAL, keepsStdin: true });
      assertEquals(stdout, "one\r\ntwo\r\n1000 666\r\ngiven back\r\n");
    },
  );
}

scenario(
  "files, named pipes and devices stay as they are",
  { flavor: "either" },
  async (stage) => {
    const { dir, script } = stage;
    const make = "mkfifo $0/fifo; : >$0/file; exec 3<>$0/fifo; ";
    const host: Host = {
      wrap: (argv) => [
        "sh",
        "-c",
        `${make} "$@" <$0/fifo >$0/file 2>/dev/null; stat -c '%u %a' $0/fifo $0/file /dev/null`,
        dir,
        ...argv,
      ],
    };
    const app = { user: "volo", group: "volo" };
    await using pod = await script("stat -L -c '%u' /proc/self/fd/0 /proc/self/fd/2", { app });
    const before = await Deno.stat("/dev/null");
    const { stdout } = await pod.run({ host, flags: { interactive: true } });
    assertMatch(stdout, /^0 644\n0 644\n0 666\n$/);
    assertEquals((await Deno.stat("/dev/null")).uid, before.uid);
  },
);

scenario(
  "an app that cannot start leaves its caller's pipes as they were",
  { flavor: "either" },
  async ({ pod: prepare }) => {
    await using pod = await prepare({ app: { ...USER, exec: ["/etc/passwd"] } });
    const flags = { interactive: true };
    const { code, stdout } = await pod.run({ stdin: "", flags, host: OWNERS });
    assertEquals([code, stdout], [254, "owner 0 600\nowner 0 600\n"]);
  },
);
