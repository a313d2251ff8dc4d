/** Tests of the logs that a pod keeps for Kubernetes, and of how logs are rotated by others. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { eventually } from "./host.ts";
import { scenario } from "./scenario.ts";
import { SmallDisk } from "./small_disk.ts";
import type { Pod } from "./stage0.ts";

/** What is before the text of a line. */
const PLAIN = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) (.*)$/s;

/** What a pod says of its logs for Kubernetes. */
interface Setting {
  mode?: string | undefined;
  directory?: string | undefined;
  /** The path of each app in turn. */
  paths?: (string | undefined)[];
}

/** Sets rkt's annotations, as `rkt app sandbox --annotation` and `rkt app add --annotation` do. */
async function keepFor(pod: Pod, { mode = "k8s-plain", directory, paths = [] }: Setting) {
  const named = (settings: Record<string, string | undefined>) =>
    Object.entries(settings).filter(([, value]) => value)
      .map(([name, value]) => ({ name: `coreos.com/rkt/experiment/${name}`, value }));
  await editJson(`${pod.dir}/pod`, (manifest) => {
    const ofPod = named({ logmode: mode, "kubernetes-log-dir": directory });
    manifest.annotations = [...manifest.annotations ?? [], ...ofPod];
    manifest.apps.forEach((app: { annotations?: object[] }, i: number) => {
      app.annotations = [...app.annotations ?? [], ...named({ "kubernetes-log-path": paths[i] })];
    });
  });
}

/** Splits lines into stream and text. */
function linesOf(path: string): [stream: string, text: string][] {
  const lines = Deno.readTextFileSync(path).split("\n");
  assertEquals(lines.pop(), "");
  return lines.map((line) => {
    const [, , stream = "", text = ""] = line.match(PLAIN) ?? [];
    return stream === "" ? ["none", line] : [stream, text];
  });
}

scenario(
  "each app has a file with the time and the stream of its lines",
  { flavor: "either" },
  async ({ dir, scripts }) => {
    await Deno.mkdir(`${dir}/logs/two`, { recursive: true });
    await using pod = await scripts({
      one: "echo P oh >&2; sleep .2; printf '\\377\\r\\n\\nno end'",
      two: "head -c 50000 /dev/zero | tr '\\0' x; echo; echo end",
    });
    await keepFor(pod, { directory: `${dir}/logs`, paths: ["one_0.log", "two/0.log"] });
    const before = Date.now();
    assertCode(await pod.run(), 0);
    const one = `${dir}/logs/one_0.log`;
    assertEquals(linesOf(one), [
      ["stderr", "P oh"],
      ["stdout", "\ufffd\r"],
      ["stdout", ""],
      ["stdout", "no end"],
    ]);
    assert((await Deno.readFile(one)).includes(0xff));
    assertEquals((await Deno.stat(one)).mode! & 0o777, 0o640);
    const time = Date.parse(Deno.readTextFileSync(one).slice(0, 23) + "Z");
    assert(before <= time && time <= Date.now());
    const pieces = linesOf(`${dir}/logs/two/0.log`).map(([, text]) => text);
    assertEquals(pieces.map(({ length }) => length), [48 * 1024, 50_000 - 48 * 1024, 3]);
    assertEquals(
      await Deno.readTextFile(`${pod.dir}/log/two.log`),
      `${pieces.slice(0, 2).join("")}\nend\n`,
    );
  },
);

scenario(
  "a file for Kubernetes goes on where an earlier pod has ended it",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await Deno.writeTextFile(`${dir}/app.log`, "before\n");
    await using pod = await script("echo hello");
    await keepFor(pod, { directory: dir, paths: ["app.log"] });
    assertQuiet(await pod.run());
    assertEquals(linesOf(`${dir}/app.log`), [["none", "before"], ["stdout", "hello"]]);
  },
);

scenario(
  "a stream that is null is in no file for Kubernetes, and an app without output needs none",
  { flavor: "isolated" },
  async ({ dir, scripts }) => {
    await using pod = await scripts({ one: "echo out; echo err >&2", two: "echo out" });
    const nothing = (stream: string) => ({
      name: `coreos.com/rkt/stage2/${stream}`,
      value: "null",
    });
    await editJson(`${pod.dir}/pod`, ({ apps }) => {
      apps[0].annotations = [nothing("stdout")];
      apps[1].annotations = [nothing("stdout"), nothing("stderr")];
    });
    await keepFor(pod, { directory: dir, paths: ["one.log"] });
    assertCode(await pod.run(), 0);
    assertEquals(linesOf(`${dir}/one.log`), [["stderr", "err"]]);
  },
);

const refused: [what: string, setting: (dir: string) => Setting, why: RegExp][] = [
  [
    "without a directory",
    () => ({ paths: ["app.log"] }),
    /^run: annotations\[\d\] \(\S+\/logmode\): k8s-plain needs the pod's \S+\/kubernetes-log-dir$/m,
  ],
  [
    "in a directory that is not there",
    (dir) => ({ directory: `${dir}/nowhere`, paths: ["app.log"] }),
    /^run: annotations\[\d\] \(.*kubernetes-log-dir\): openat2\("\/.*nowhere"\): ENOENT/m,
  ],
  [
    "in a directory that is named from elsewhere",
    () => ({ directory: "logs", paths: ["app.log"] }),
    /^run: annotations\[\d\]\.value: "logs" is not an absolute path \(/m,
  ],
  [
    "without a path",
    (dir) => ({ directory: dir }),
    /^run: apps\[0\]\.annotations: coreos\.com\/.*kubernetes-log-path is missing: /m,
  ],
  [
    "in a mode that is none",
    (dir) => ({ mode: "json-file", directory: dir, paths: ["app.log"] }),
    /^run: annotations\[\d\]\.value: "json-file" is not k8s-plain \(/m,
  ],
  ...["../app.log", "sub/../app.log", "/app.log", "./app.log", "sub//app.log", "sub/"].map((
    path,
  ): typeof refused[number] => [
    `at ${path}`,
    (dir) => ({ directory: dir, paths: [path] }),
    /^run: apps\[0\]\.annotations\[0\]\.value: ".*" is not a path below .*log-dir \(/m,
  ]),
  [
    "below a link",
    (dir) => ({ directory: dir, paths: ["link/app.log"] }),
    /^run: apps\[0\]\.annotations\[0\] \(.*\): openat2\("link\/app.log"\): ELOOP/m,
  ],
  [
    "in the place of a link",
    (dir) => ({ directory: dir, paths: ["link"] }),
    /^run: apps\[0\]\.annotations\[0\] \(.*\): openat2\("link"\): ELOOP/m,
  ],
];

for (const [what, setting, why] of refused) {
  scenario(
    `run refuses a file for Kubernetes ${what}`,
    { flavor: "isolated" },
    async ({ dir, script }) => {
      await Deno.mkdir(`${dir}/logs/sub`, { recursive: true });
      await Deno.symlink("..", `${dir}/logs/link`);
      await using pod = await script("echo hello");
      await keepFor(pod, setting(`${dir}/logs`));
      assertRefused(await pod.run(), "run", why);
      assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["logs"]);
    },
  );
}

scenario(
  "annotations without the log mode are said to have no effect",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await using pod = await script("echo hello");
    await keepFor(pod, { mode: "", directory: dir, paths: ["app.log"] });
    const { stderr } = await pod.run();
    const why = "ignored: the pod's coreos.com/rkt/experiment/logmode is not k8s-plain";
    const notes = [
      `run: annotations[1] (coreos.com/rkt/experiment/kubernetes-log-dir): ${why}\n`,
      `run: apps[0].annotations[0] (coreos.com/rkt/experiment/kubernetes-log-path): ${why}\n`,
    ];
    assertEquals(stderr, notes.join(""));
    assertEquals([...Deno.readDirSync(dir)], []);
  },
);

scenario(
  "the only app of the host's namespaces has no file for Kubernetes",
  async ({ dir, script }) => {
    await using pod = await script("echo hello");
    await keepFor(pod, { directory: dir, paths: ["app.log"] });
    const result = await pod.run();
    assertPrints(result, "hello\n");
    assertEquals(result.stderr.match(/: ignored: the app has the caller's streams$/gm)?.length, 3);
    assertEquals([...Deno.readDirSync(dir)], []);
  },
);

scenario(
  "an image does not say where there is a file for Kubernetes",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await using pod = await script("echo hello");
    await keepFor(pod, { directory: dir });
    const name = "coreos.com/rkt/experiment/kubernetes-log-path";
    await editJson(`${pod.dir}/appsinfo/app/manifest`, (manifest) => {
      manifest.annotations = [{ name, value: "app.log" }];
    });
    assertRefused(await pod.run(), "run", /kubernetes-log-path is missing/);
    assertEquals([...Deno.readDirSync(dir)], []);
  },
);

/** Writes a number a line, with the least pause. */
const COUNT = "i=0; while :; do echo $i; i=$((i+1)); done";

/** Asserts that texts are the numbers from 0 on, each once. */
function assertCounted(texts: readonly string[]): void {
  assertEquals(texts, texts.map((_, i) => `${i}`));
}

scenario(
  "logs that are moved away go on in new files without a lost or doubled line",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await using pod = await script(`${COUNT.replace("done", "sleep .01; done")}`);
    await keepFor(pod, { directory: dir, paths: ["app.log"] });
    const program = await pod.start();
    const places = [`${dir}/app.log`, `${pod.dir}/log/app.log`];
    for (let round = 0; round < 3; round++) {
      for (const file of places) {
        await eventually("a line", () => isNotEmpty(file));
        await Deno.rename(file, `${file}-${round}`);
      }
    }
    for (const file of places) await eventually("a line", () => isNotEmpty(file));
    assertCode(await pod.stop(), 0);
    await program.result;
    const [kubernetes, own] = places.map((file) =>
      [0, 1, 2].map((round) => `${file}-${round}`).concat(file)
    );
    assertCounted(kubernetes!.flatMap(linesOf).map(([, text]) => text));
    assertCounted(own!.flatMap((file) => Deno.readTextFileSync(file).trimEnd().split("\n")));
  },
);

scenario(
  "a log for Kubernetes that is cut off or removed goes on",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await using pod = await script(COUNT.replace("done", "sleep .01; done"));
    await keepFor(pod, { directory: dir, paths: ["app.log"] });
    const program = await pod.start();
    const file = `${dir}/app.log`;
    await eventually("a line", () => isNotEmpty(file));
    await Deno.copyFile(file, `${file}-copy`);
    await Deno.truncate(file);
    await eventually("a line", () => isNotEmpty(file));
    // No zero bytes: it goes on at its new end.
    assertMatch(Deno.readTextFileSync(file), PLAIN_START);
    await Deno.remove(file);
    await eventually("a new file", () => isNotEmpty(file));
    assertMatch(Deno.readTextFileSync(file), PLAIN_START);
    assertCode(await pod.stop(), 0);
    assertEquals((await program.result).stderr, "");
  },
);

const PLAIN_START = /^\d{4}-\S+Z stdout \d+\n/;

function isNotEmpty(file: string): boolean {
  try {
    return Deno.statSync(file).size > 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

scenario(
  "a directory for Kubernetes that is replaced while the pod runs stays the pod's",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await Deno.mkdir(`${dir}/logs`);
    await Deno.mkdir(`${dir}/host`);
    await using pod = await script(COUNT.replace("done", "sleep .01; done"));
    await keepFor(pod, { directory: `${dir}/logs`, paths: ["app.log"] });
    const program = await pod.start();
    await eventually("a line", () => isNotEmpty(`${dir}/logs/app.log`));
    await Deno.rename(`${dir}/logs`, `${dir}/moved`);
    await Deno.symlink("host", `${dir}/logs`);
    await Deno.rename(`${dir}/moved/app.log`, `${dir}/moved/app.log-0`);
    await eventually("a line", () => isNotEmpty(`${dir}/moved/app.log`));
    assertCode(await pod.stop(), 0);
    await program.result;
    assertEquals([...Deno.readDirSync(`${dir}/host`)], []);
  },
);

/**
 * What the owner of the directory puts into the place of the file, with what is to stay as it is.
 */
const TRAPS: Record<string, string> = {
  "a link": 'ln -s ../secret "$0/app.log"',
  "another name of a file of the host's": 'ln "$0/../secret" "$0/app.log"',
  "a pipe that nobody reads": 'mkfifo "$0/app.log"',
  "a directory": 'mkdir "$0/app.log"',
};

for (const [what, trap] of Object.entries(TRAPS)) {
  scenario(
    `a log for Kubernetes in whose place somebody puts ${what} has a gap, and harms nobody`,
    { flavor: "isolated" },
    async ({ dir, script }) => {
      await Deno.mkdir(`${dir}/logs`);
      await Deno.writeTextFile(`${dir}/secret`, "secret");
      await using pod = await script(COUNT.replace("done", "sleep .01; done"));
      await keepFor(pod, { directory: `${dir}/logs`, paths: ["app.log"] });
      const program = await pod.start();
      const file = `${dir}/logs/app.log`;
      await eventually("a line", () => isNotEmpty(file));
      await Deno.rename(file, `${file}-0`);
      await new Deno.Command("sh", { args: ["-c", trap, `${dir}/logs`] }).output();
      await eventually("a note", () => program.stderr !== "");
      assertMatch(
        program.stderr,
        /^run: \/.*\/logs\/app\.log has gaps: openat2\("app.log"\): E\w+, .*\n$/,
      );
      assertEquals(await Deno.readTextFile(`${dir}/secret`), "secret");
      await Deno.remove(file);
      await eventually("a file", () => isNotEmpty(file));
      assertMatch(
        Deno.readTextFileSync(file),
        /^\S+ stderr \[stage1-volo: \d+ bytes are missing here: E.*\]\n/,
      );
      assertCode(await pod.stop(), 0);
      await program.result;
    },
  );
}

scenario(
  "a log for Kubernetes on a full disk has a gap, and says so",
  { flavor: "isolated" },
  async ({ stage0, script }) => {
    await using disk = await SmallDisk.mount(stage0);
    const directory = `${stage0.podsDirectory}/logs`;
    await Deno.mkdir(directory);
    await using pod = await script(COUNT.replace("done", "sleep .01; done"));
    await keepFor(pod, { directory, paths: ["app.log"] });
    const program = await pod.start();
    const file = `${directory}/app.log`;
    await eventually("a line", () => isNotEmpty(file));
    await disk.fill();
    await eventually("a note", () => program.stderr.includes("/logs/app.log has gaps: write"));
    await disk.empty();
    await eventually("the gap", () => Deno.readTextFileSync(file).includes("bytes are missing"));
    assertCode(await pod.stop(), 0);
    await program.result;
    const lines = linesOf(file);
    assertEquals(lines.filter(([stream]) => stream === "none"), []);
    const gaps = lines.filter(([stream]) => stream === "stderr").map(([, text]) => text);
    assertEquals(gaps.length, 1);
    assertMatch(gaps[0]!, /^\[stage1-volo: \d+ bytes are missing here: ENOSPC, /);
  },
);

scenario(
  "an app that is added has its file for Kubernetes, also when it is started again",
  { flavor: "isolated" },
  async ({ dir, stage0, image }) => {
    const named = (settings: Record<string, string>) =>
      Object.entries(settings)
        .map(([name, value]) => ({ name: `coreos.com/rkt/experiment/${name}`, value }));
    await using pod = await stage0.sandbox({
      annotations: named({ logmode: "k8s-plain", "kubernetes-log-dir": dir }),
    });
    const program = await pod.startSandbox();
    const app = (path: string) => ({
      image: tree,
      name: "late",
      app: { exec: ["/bin/sh", "-c", "echo hello"] },
      annotations: named({ "kubernetes-log-path": path }),
    });
    const tree = await image({});
    const file = `${dir}/late.log`;
    assertMatch(
      (await pod.apps.add(app("sub/late.log"))).stderr,
      /openat2\("sub\/late.log"\): ENOENT/,
    );
    assertQuiet(await pod.apps.rm("late"));
    assertQuiet(await pod.apps.add(app("late.log")));
    for (let round = 0; round < 2; round++) {
      assertQuiet(await pod.apps.start("late"));
      await eventually("a line", () => isNotEmpty(file));
      assertEquals(linesOf(file), [["stdout", "hello"]]);
      await Deno.rename(file, `${file}-${round}`);
    }
    assertCode(await pod.stop(), 0);
    await program.result;
  },
);
