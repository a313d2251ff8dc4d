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
