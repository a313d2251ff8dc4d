/** Tests of which program an app executes, and in which directory. */

import { assertEquals } from "@std/assert";
import { assertPrints, assertRefused } from "./expect.ts";
import { scenario } from "./scenario.ts";

const HELLO = { text: '#!/bin/sh\necho "hello $*"\n', mode: 0o755 };

scenario("the app starts in its root", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: ["/bin/pwd"] } });
  assertPrints(await pod.run(), "/\n");
});

scenario("the app starts in its working directory", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: ["/bin/pwd"], workingDirectory: "/home/volo" } });
  assertPrints(await pod.run(), "/home/volo\n");
});

scenario("a working directory behind a link stays inside", async ({ image, pod: prepare }) => {
  const files = { "/work": { link: "../../../../../home/volo" } };
  const app = { exec: ["/bin/pwd", "-P"], workingDirectory: "/work" };
  await using pod = await prepare({ image: await image({ files }), app });
  assertPrints(await pod.run(), "/home/volo\n");
});

scenario("run refuses a working directory that is not there", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: ["/bin/pwd"], workingDirectory: "/nowhere" } });
  assertRefused(await pod.run(), "run", /\/nowhere/);
});

scenario("run refuses a working directory that is a file", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: ["/bin/pwd"], workingDirectory: "/etc/passwd" } });
  assertRefused(await pod.run(), "run", /\/etc\/passwd/);
});

scenario("run refuses a program that the app's user may not execute", async (stage) => {
  const files = { "/opt/hello": { ...HELLO, mode: 0o700 } };
  const app = { exec: ["/opt/hello"], user: "volo", group: "volo" };
  await using pod = await stage.pod({ image: await stage.image({ files }), app });
  assertRefused(await pod.run(), "run", /\/opt\/hello/);
});

scenario("a path with a slash starts at the working directory", async ({ image, pod: prepare }) => {
  const app = { exec: ["bin/hello", "you"], workingDirectory: "/opt/tool" };
  const files = { "/opt/tool/bin/hello": HELLO };
  await using pod = await prepare({ image: await image({ files }), app });
  assertPrints(await pod.run(), "hello you\n");
});

scenario("a bare name is looked up in the app's PATH", async ({ image, pod: prepare }) => {
  const environment = [{ name: "PATH", value: "/nowhere:/opt/data:/opt/tool:/bin" }];
  const files = {
    "/opt/data/hello": { text: "not executable", mode: 0o644 },
    "/opt/tool/hello": HELLO,
  };
  const app = { exec: ["hello", "path"], environment };
  await using pod = await prepare({ image: await image({ files }), app });
  assertPrints(await pod.run(), "hello path\n");
});

scenario("a bare name never means a program of the host's", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: ["unshare-of-the-host"] } });
  assertRefused(await pod.run({ env: { PATH: "/usr/bin" } }), "run", /unshare-of-the-host/);
});

scenario("arguments arrive as they are, empty ones too", async ({ pod: prepare }) => {
  const exec = ["/bin/printf", "[%s]", "", "a b", "*", "--", "$HOME", "\n", ""];
  await using pod = await prepare({ app: { exec } });
  assertPrints(await pod.run(), "[][a b][*][--][$HOME][\n][]");
});

scenario("a program behind an absolute link is found inside", async ({ image, pod: prepare }) => {
  const files = { "/opt/hello": HELLO, "/start": { link: "/opt/hello" } };
  const app = { exec: ["/start", "link"] };
  await using pod = await prepare({ image: await image({ files }), app });
  assertPrints(await pod.run(), "hello link\n");
});

const hopeless: [what: string, exec: string[]][] = [
  ["is not there", ["/bin/missing"]],
  ["may not be executed", ["/opt/data"]],
  ["is a directory", ["/opt"]],
  ["lacks its interpreter", ["/opt/script"]],
  ["is not in the PATH", ["missing"]],
  ["has more to say than the kernel takes", ["/bin/echo", "x".repeat(200_000)]],
];

for (const [what, exec] of hopeless) {
  scenario(`run refuses a program that ${what}`, async ({ image, pod: prepare }) => {
    const files = {
      "/opt/data": { text: "data", mode: 0o644 },
      "/opt/script": { text: "#!/no/such/interpreter\n", mode: 0o755 },
    };
    await using pod = await prepare({ image: await image({ files }), app: { exec } });
    const result = await pod.run();
    assertRefused(result, "run", new RegExp(exec[0]!));
    assertEquals(pod.foreignMounts(), []);
  });
}
