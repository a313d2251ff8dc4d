/** Tests of the app's environment variables, as the app sees them and as `enter` passes them on. */

import { assertEquals } from "@std/assert";
import { editJson, parseEnviron } from "./expect.ts";
import { scenario } from "./scenario.ts";
import type { Pod, RunOptions } from "./stage0.ts";

const PRINT = { exec: ["/bin/cat", "/proc/self/environ"] };

const DEFAULTS = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  SHELL: "/bin/sh",
  USER: "root",
  LOGNAME: "root",
  HOME: "/root",
  AC_APP_NAME: "app",
  container: "rkt",
};

const AWKWARD = [
  { name: "LINES", value: "one\ntwo\n\nfour\n" },
  { name: "EQUAL", value: "a=b=c" },
  { name: "SPACES", value: "  between  " },
  { name: "EMPTY", value: "" },
  { name: "QUOTES", value: `"double" 'single' \\ $HOME` },
  { name: "UNICODE", value: "żółw 🐢" },
];

const EITHER = { flavor: "either" } as const;

async function environment(pod: Pod, options: RunOptions = {}): Promise<Record<string, string>> {
  return parseEnviron((await pod.run(options)).stdout);
}

scenario("an app without variables of its own gets the defaults", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: PRINT });
  assertEquals(await environment(pod), DEFAULTS);
});

scenario("nothing of the caller's environment reaches the app", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: PRINT });
  assertEquals(await environment(pod, { env: { SECRET: "x", LANG: "C", HOME: "/h" } }), DEFAULTS);
});

scenario("the app's variables replace the defaults", async ({ pod: prepare }) => {
  const variables = [
    { name: "PATH", value: "/bin" },
    { name: "HOME", value: "/home/volo" },
    { name: "OWN", value: "1" },
  ];
  await using pod = await prepare({ app: { ...PRINT, environment: variables } });
  const expected = { ...DEFAULTS, PATH: "/bin", HOME: "/home/volo", OWN: "1" };
  assertEquals(await environment(pod), expected);
});

scenario(
  "the image's variables count where the pod has no app",
  async ({ image, pod: prepare }) => {
    const app = { ...PRINT, environment: [{ name: "FROM", value: "image" }] };
    await using pod = await prepare({ image: await image({ app }) });
    await editJson(`${pod.dir}/pod`, (manifest) => delete manifest.apps[0].app);
    assertEquals(await environment(pod), { ...DEFAULTS, FROM: "image" });
  },
);

scenario("AC_APP_NAME is the app's name in the pod", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: PRINT, name: "web-1" });
  assertEquals((await environment(pod)).AC_APP_NAME, "web-1");
});

scenario("AC_METADATA_URL is set where rkt passes a token", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: PRINT });
  const { AC_METADATA_URL } = await environment(pod, { flags: { mdsToken: "t0ken" } });
  assertEquals(AC_METADATA_URL, "http://127.0.0.1:18112/t0ken");
});

scenario("values of any form reach the app", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { ...PRINT, environment: AWKWARD } });
  const expected = Object.fromEntries(AWKWARD.map(({ name, value }) => [name, value]));
  assertEquals(await environment(pod), { ...DEFAULTS, ...expected });
});

scenario("values of any form reach a command that enters", async ({ script }) => {
  await using pod = await script("sleep 100", { app: { environment: AWKWARD } });
  await pod.start();
  const { stdout } = await pod.enter("app", PRINT.exec);
  const expected = Object.fromEntries(AWKWARD.map(({ name, value }) => [name, value]));
  assertEquals(parseEnviron(stdout), { ...DEFAULTS, ...expected });
});

scenario(
  "a command that enters has the caller's TERM, and nothing else of it",
  async ({ script }) => {
    await using pod = await script("sleep 100");
    await pod.start();
    const env = { TERM: "vt220", SECRET: "x" };
    const { stdout } = await pod.enter("app", PRINT.exec, { env });
    assertEquals(parseEnviron(stdout), { ...DEFAULTS, TERM: "vt220" });
  },
);

const VOLO = { USER: "volo", LOGNAME: "volo", HOME: "/home/volo" };
const ROOT = { USER: "root", LOGNAME: "root", HOME: "/root" };
const PASSWD =
  "volo:x:1000:1000::/home/volo:/bin/false\ntwin:x:1000:1000::/srv:\n1001:x:42:42::/n:\n" +
  "odd:x:43:43::not/absolute:\n";

const accounts: [what: string, user: string, expected: Record<string, string>][] = [
  ["a name", "volo", VOLO],
  ["another name of its number", "twin", { USER: "twin", LOGNAME: "twin", HOME: "/srv" }],
  ["a number", "1000", VOLO],
  ["a name of digits", "1001", { USER: "1001", LOGNAME: "1001", HOME: "/n" }],
  ["the owner of a path", "/home/volo", VOLO],
  ["a number that the app does not know", "4242", { HOME: "/" }],
  ["a name whose directory is none", "odd", { USER: "odd", LOGNAME: "odd", HOME: "/" }],
  ["root", "root", ROOT],
  ["root's number", "0", ROOT],
];

for (const [what, user, expected] of accounts) {
  scenario(`${what} as user has the account of the app's list`, EITHER, async (stage) => {
    const image = await stage.image({ files: { "/etc/passwd": PASSWD } });
    await using pod = await stage.script("cat /proc/$$/environ; exec sleep 100", {
      image,
      app: { user, group: "1000" },
    });
    const program = await pod.start();
    await program.prints("container=rkt\0");
    const { USER: _user, LOGNAME: _logname, HOME: _home, ...others } = DEFAULTS;
    assertEquals(parseEnviron(program.stdout), { ...others, ...expected });
    const { stdout } = await pod.enter("app", PRINT.exec);
    assertEquals(parseEnviron(stdout), { ...others, ...expected });
  });
}

scenario("what the app declares goes before its user's account", EITHER, async (stage) => {
  const environment = [{ name: "HOME", value: "/srv" }, { name: "USER", value: "" }];
  await using pod = await stage.pod({
    app: { ...PRINT, user: "volo", group: "volo", environment },
  });
  const { HOME, USER, LOGNAME } = parseEnviron((await pod.run()).stdout);
  assertEquals({ HOME, USER, LOGNAME }, { HOME: "/srv", USER: "", LOGNAME: "volo" });
});

scenario(
  "a handler has the account of its own user",
  EITHER,
  async (stage) => {
    const print = ["/bin/sh", "-c", "echo $(id -un) $USER $LOGNAME $HOME"];
    const eventHandlers = [{ name: "pre-start" as const, exec: print }];
    const app = { exec: print, user: "volo", group: "volo", eventHandlers };
    await using pod = await stage.pod({ app });
    const { stdout } = await pod.run();
    const [handler, own] = stdout.trim().split("\n");
    assertEquals(own, "volo volo volo /home/volo");
    const ofRoot = "root root root /root";
    assertEquals([own, ofRoot].includes(handler!), true, stdout);
    assertEquals(handler!.startsWith(handler!.split(" ")[1]!), true);
  },
);

scenario(
  "who rewrites the list of users changes no account of a command's",
  EITHER,
  async (stage) => {
    const files = { "/etc/passwd": { text: PASSWD, uid: 1000 } };
    const app = { user: "volo", group: "1000" };
    const rewrite = "echo volo:x:1000:0::/evil: >/etc/passwd; echo up; exec sleep 100";
    await using pod = await stage.script(rewrite, { image: await stage.image({ files }), app });
    const program = await pod.start();
    await program.prints("up");
    const { stdout } = await pod.enter("app", PRINT.exec);
    assertEquals(parseEnviron(stdout).HOME, "/home/volo");
  },
);
