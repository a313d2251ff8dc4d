/** Tests of which program an app executes, and in which directory. */

import { assertEquals } from "@std/assert";
import { assertPrints, assertRefused } from "./expect.ts";
import { mountTmpfs } from "./host.ts";
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

const EITHER = { flavor: "either" } as const;

/** A PATH whose first directory has a program that only root may execute. */
const SECRET = {
  files: {
    "/opt/secret/hello": { ...HELLO, mode: 0o700 },
    "/opt/closed": { dir: true, mode: 0o700 },
    "/opt/closed/hello": HELLO,
    "/opt/orphan/hello": { text: "#!/no/such/interpreter\n", mode: 0o755 },
    "/opt/tool/hello": HELLO,
  },
  environment: [{
    name: "PATH",
    value: "/opt/secret:/opt/closed:/opt/orphan:/opt/tool:/bin",
  }],
};

/** PATH as above, without the directory in which the program can be executed. */
const NO_TOOL = [{ name: "PATH", value: "/opt/secret:/opt/orphan:/bin" }];

scenario("PATH goes on after what the app's user may not execute", EITHER, async (stage) => {
  const { files, environment } = SECRET;
  const app = { exec: ["hello", "path"], environment };
  const image = await stage.image({ files });
  await using pod = await stage.pod({ image, app: { ...app, user: "volo", group: "volo" } });
  assertPrints(await pod.run(), "hello path\n");
  await using ofRoot = await stage.pod({
    image: await stage.image({ files: { ...files, "/opt/secret/hello": "#!/bin/echo\n" } }),
    app,
  });
  assertPrints(await ofRoot.run(), "hello path\n");
});

scenario("root that may not pass by modes looks on in PATH, too", EITHER, async (stage) => {
  const { files, environment } = SECRET;
  const isolator = { name: "os/linux/capabilities-retain-set", value: { set: ["CAP_KILL"] } };
  const own = { ...files, "/opt/secret/hello": { ...HELLO, mode: 0o700, uid: 1000, gid: 1000 } };
  const app = { exec: ["hello"], environment, isolators: [isolator] };
  await using pod = await stage.pod({ image: await stage.image({ files: own }), app });
  assertPrints(await pod.run(), "hello \n");
});

scenario(
  "where no file of PATH can be executed, what may not be is told",
  EITHER,
  async (stage) => {
    const app = { exec: ["hello"], user: "volo", group: "volo", environment: NO_TOOL };
    const image = await stage.image({ files: SECRET.files });
    await using pod = await stage.pod({ image, app });
    const told = /^run: apps\[0\]\.app\.exec\[0\]: execve\("\/opt\/secret\/hello"\) as user 1000; /;
    const result = await pod.run();
    assertRefused(result, "run", told);
    assertRefused(
      result,
      "run",
      /PATH has \/opt\/secret\/hello, \/opt\/orphan\/hello: EACCES/,
    );
  },
);

scenario("handlers and commands look on in PATH as the app does", EITHER, async (stage) => {
  const { files, environment } = SECRET;
  const eventHandlers = [{ name: "pre-start" as const, exec: ["hello", "before"] }];
  await using pod = await stage.script("echo up; sleep 100", {
    image: await stage.image({ files: { ...files, "/opt/secret/hello": "#!/bin/echo\n" } }),
    app: { user: "volo", group: "volo", environment, eventHandlers },
  });
  const program = await pod.start();
  await program.prints("hello before\n");
  assertPrints(await pod.enter("app", ["hello", "inside"]), "hello inside\n");
});

/** A program for a processor that is none of ours. */
const FOREIGN = `\x7fELF\x02\x01\x01${"\0".repeat(9)}\x02\0\x15\0${"\0".repeat(44)}`;

const obstacles: [why: string, text: string, told: RegExp][] = [
  [
    "an interpreter",
    "#!/usr/bin/python3\n",
    /"\/opt\/x" needs .*: Error: Unable to open "\/usr\/bin\/python3": No such file .*: ENOENT/,
  ],
  [
    "the interpreter of an interpreter",
    "#!/opt/y\n",
    /"\/opt\/x" needs the interpreter "\/opt\/y", which needs .*: Unable to open "\/no\/y": No /,
  ],
  [
    "a line that names one",
    "echo hi\n",
    /"\/opt\/x" is neither an ELF program nor a script .*: ENOEXEC/,
  ],
  ["any content", "", /"\/opt\/x" is an empty file: ENOEXEC/],
  ["a program for this processor", FOREIGN, /"\/opt\/x" is a program for ppc64: ENOEXEC/],
  [
    "a line that ends as lines of Unix do",
    "#!/bin/sh\r\necho\r\n",
    /"\/opt\/x" needs .*: Unable to open "\/bin\/sh\\r": No such file or directory: ENOENT/,
  ],
];

for (const [why, text, told] of obstacles) {
  scenario(
    `a program that lacks ${why} is told from one that is not there`,
    EITHER,
    async (stage) => {
      const files = {
        "/opt/x": { text, mode: 0o755 },
        "/opt/y": { text: "#!/no/y\n", mode: 0o755 },
      };
      const image = await stage.image({ files });
      await using pod = await stage.pod({ image, app: { exec: ["/opt/x"] } });
      const result = await pod.run();
      assertRefused(result, "run", /^run: apps\[0\]\.app\.exec\[0\]: /);
      assertRefused(result, "run", told);
      const eventHandlers = [{ name: "pre-start" as const, exec: ["/opt/x"] }];
      await using handled = await stage.pod({ image, app: { exec: ["/bin/true"], eventHandlers } });
      const ofHandler = await handled.run();
      assertRefused(ofHandler, "run", /^run: apps\[0\]\.app\.eventHandlers\[0\]\.exec\[0\]: /);
      assertRefused(ofHandler, "run", told);
      await using running = await stage.pod({ image, app: { exec: ["/bin/sleep", "100"] } });
      await running.start();
      assertRefused(await running.enter("app", ["/opt/x"]), "enter", told);
    },
  );
}

scenario(
  "a program on a volume without exec is told from one without permission",
  EITHER,
  async (stage) => {
    const source = `${stage.dir}/noexec`;
    await using _mount = await mountTmpfs(source, undefined, "noexec,mode=755");
    await Deno.writeTextFile(`${source}/x`, HELLO.text, { mode: 0o755 });
    await using pod = await stage.pod({
      app: { exec: ["/data/x"] },
      volumes: [{ name: "data", kind: "host", source }],
      mounts: [{ volume: "data", path: "/data" }],
    });
    const told =
      /"\/data\/x" is on a file system that is mounted noexec: EACCES, permission denied/;
    assertRefused(await pod.run(), "run", told);
  },
);
