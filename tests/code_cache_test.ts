/**
 * Tests of V8's code cache, which comes with the image. A cache that cannot be used costs time, but
 * nothing is ever written in its place. A cache directory of the caller's is not read.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { PROGRAMS } from "../image/entrypoints.ts";
import { codeCacheFile } from "../tasks/code_cache.ts";
import { embeddedMetadata, programStart } from "../tasks/payload.ts";
import { assertCode, assertPrints } from "./expect.ts";
import { execute, must, type Result } from "./host.ts";
import { startUp } from "./pod_processes.ts";
import { ISOLATED_STAGE1, scenario, type Stage, STAGE1 } from "./scenario.ts";
import { Stage0 } from "./stage0.ts";
import { openTree } from "./stage0/tree.ts";

/** The directory of unpacked images that all tests share. */
const CACHE = Deno.env.get("STAGE1_CACHE")!;

/** A pod's identifier, for programs that need no pod. */
const UUID = "00000000-0000-0000-0000-000000000001";

/** Arguments with which each entrypoint soon ends. */
const ARGUMENTS: Record<typeof PROGRAMS[number], string[]> = {
  run: ["--net=none", UUID],
  enter: ["--pid=1", "--appname=app", "--", "/bin/true"],
  gc: [UUID],
  stop: [UUID],
  "app-add": ["--app=app", `--uuid=${UUID}`],
  "app-rm": ["--app=app"],
  "app-start": ["--app=app"],
  "app-stop": ["--app=app"],
  "attach": ["--action=list", "--app=app"],
};

/** Copies an image's tree, so that its code cache can be changed, and returns the paths of both. */
async function copyTree(image: string, dir: string): Promise<{ tree: string; caches: string }> {
  const { rootfs } = await openTree(image, CACHE);
  const tree = `${dir}/stage1`;
  await must(["cp", "--archive", "--link", rootfs.replace(/\/rootfs$/, ""), tree]);
  const caches = `${tree}/rootfs/code-cache`;
  await must(["cp", "--archive", caches, `${dir}/caches`]);
  await must(["rm", "-r", caches]);
  await Deno.rename(`${dir}/caches`, caches);
  return { tree, caches };
}

/** Changes each file of a directory. */
async function change(
  caches: string,
  act: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): Promise<void> {
  for (const name of PROGRAMS) {
    const file = `${caches}/${codeCacheFile(name)}`;
    await Deno.writeFile(file, act(await Deno.readFile(file)));
  }
}

/** How many bytes follow V8's data in the cache of one module: its type, name and hashes. */
const END_LENGTH = 1 + "file:///proc/self/fd/63/deno-compile-/.js".length + 4 + 8 + 8;

/**
 * Puts another program's V8 data into a cache, with hashes that Deno takes for the program's own.
 */
async function exchangeData(caches: string): Promise<void> {
  const other = await Deno.readFile(`${caches}/${codeCacheFile("gc")}`);
  const data = other.slice(20, -END_LENGTH - 2 * "gc".length);
  for (const name of ["run", "enter", "stop"]) {
    const file = `${caches}/${codeCacheFile(name)}`;
    const own = await Deno.readFile(file);
    const end = own.slice(-END_LENGTH - 2 * name.length);
    const graft = new Uint8Array([...own.slice(0, 20), ...data, ...end.slice(0, -8)]);
    const length = data.length + end.length;
    new DataView(graft.buffer).setBigUint64(12, BigInt(length), true);
    await Deno.writeFile(file, new Uint8Array([...graft, ...other.slice(-8)]));
  }
}

async function putDirectories(caches: string): Promise<void> {
  for (const name of PROGRAMS) {
    await Deno.remove(`${caches}/${codeCacheFile(name)}`);
    await Deno.mkdir(`${caches}/${codeCacheFile(name)}`);
  }
}

async function exchangeFiles(caches: string): Promise<void> {
  const [run, enter] = [codeCacheFile("run"), codeCacheFile("enter")];
  await Deno.rename(`${caches}/${run}`, `${caches}/x`);
  await Deno.rename(`${caches}/${enter}`, `${caches}/${run}`);
  await Deno.rename(`${caches}/x`, `${caches}/${enter}`);
}

/** Faults of a cache, by the name of what each makes it. */
const FAULTS: Record<string, (caches: string) => Promise<void>> = {
  "in no directory": (caches) => Deno.remove(caches, { recursive: true }),
  "missing": async (caches) => void await must(["sh", "-c", 'rm "$1"/*', "rm", caches]),
  "empty": (caches) => change(caches, () => new Uint8Array()),
  "cut short": (caches) => change(caches, (bytes) => bytes.slice(0, bytes.length >> 1)),
  "damaged": (caches) => change(caches, (bytes) => (bytes[bytes.length >> 1]! ^= 1, bytes)),
  "of another build": (caches) => change(caches, (bytes) => (bytes[0]! ^= 1, bytes)),
  "another program's": exchangeFiles,
  "refused by V8": exchangeData,
  "directories": putDirectories,
};

/** Lists all files of a stage1 that do not belong to a pod, with their times. */
async function describe(tree: string): Promise<string> {
  return await must(["find", tree, "-printf", "%p %y %s %m %T@ %C@\n"]);
}

async function liveThroughFault(
  { dir, image }: Stage,
  stage1: string,
  fault: keyof typeof FAULTS,
): Promise<void> {
  const { tree, caches } = await copyTree(stage1, dir);
  await FAULTS[fault]!(caches);
  const before = await describe(tree);
  await using stage0 = await Stage0.open({ stage1: tree, cache: CACHE, net: "none" });
  const app = { exec: ["/bin/sh", "-c", "echo up; sleep 100"] };
  await using pod = await stage0.prepare({ apps: [{ image: await image({}), name: "app", app }] });
  const own = `${pod.stage1Rootfs}/code-cache`;
  const [program, ownBefore] = [await startUp(pod), await execute(["ls", "-l", own])];
  assertPrints(await pod.enter("app", ["/bin/echo", "entered"]), "entered\n");
  assertCode(await pod.stop({ force: true }), 0);
  await program.result;
  assertEquals((await execute(["ls", "-l", own])).stdout, ownBefore.stdout);
  assertCode(await pod.gc(), 0);
  assertEquals(await describe(tree), before);
}

for (const fault of Object.keys(FAULTS)) {
  const name = `code caches that are ${fault} cost time only`;
  scenario(name, (stage) => liveThroughFault(stage, STAGE1, fault));
  scenario(
    name,
    { flavor: "isolated" },
    (stage) => liveThroughFault(stage, ISOLATED_STAGE1, fault),
  );
}

/** Returns a program that has one more V8 flag. */
function withFlag(program: Uint8Array, flag: string): Uint8Array<ArrayBuffer> {
  const start = programStart(program);
  const metadata = embeddedMetadata(program);
  const text = metadata.replace('"v8_flags":[', `$&"${flag}",`);
  const added = text.length - metadata.length;
  const changed = new Uint8Array(program.length + added);
  changed.set(start);
  const header = start.length + 16;
  changed.set(program.subarray(start.length, header), start.length);
  changed.set(new TextEncoder().encode(text), header);
  changed.set(program.subarray(header + metadata.length), header + text.length);
  const view = new DataView(changed.buffer);
  view.setBigUint64(header - 8, BigInt(text.length), true);
  view.setBigUint64(changed.length - 8, BigInt(changed.length - start.length), true);
  return changed;
}

/**
 * Runs an entrypoint with V8's report of what it deserializes. V8 does not count this flag among
 * those that a cache depends on.
 */
async function profile(
  rootfs: string,
  name: typeof PROGRAMS[number],
  dir: string,
): Promise<Result> {
  const program = `${rootfs}/${name}`;
  const bytes = withFlag(await Deno.readFile(program), "--profile-deserialization");
  await Deno.remove(program);
  await Deno.writeFile(program, bytes, { mode: 0o755 });
  return await execute([
    "sh",
    "-c",
    'cd "$1" && shift && exec "$@"',
    "sh",
    dir,
    program,
    ...ARGUMENTS[name],
  ]);
}

const TAKEN = /^\[Deserializing from \d+ bytes/m;

scenario("V8 takes the image's code caches", async ({ dir }) => {
  const { tree } = await copyTree(STAGE1, dir);
  for (const name of PROGRAMS) {
    assertMatch((await profile(`${tree}/rootfs`, name, dir)).stdout, TAKEN);
  }
});

scenario("V8 refuses what is not the program's", async ({ dir }) => {
  const { tree, caches } = await copyTree(STAGE1, dir);
  await exchangeData(caches);
  const { stdout } = await profile(`${tree}/rootfs`, "run", dir);
  assertMatch(stdout, /^\[Cached code failed check/m);
  assertEquals(stdout.match(TAKEN), null);
});

/** Makes pipes in the place of cache files: whoever reads one waits for ever. */
async function plant(directory: string): Promise<void> {
  await Deno.mkdir(directory);
  for (const name of PROGRAMS) await must(["mkfifo", `${directory}/${codeCacheFile(name)}`]);
}

scenario("code caches of the caller's are not read", async ({ dir, script }) => {
  await plant(`${dir}/planted`);
  const env = { TMPDIR: `${dir}/planted` };
  await using pod = await script("echo up; sleep 100");
  const program = await startUp(pod, 1, { env });
  assertPrints(await pod.enter("app", ["/bin/echo", "entered"], { env }), "entered\n");
  assertCode(await pod.stop({ force: true, env }), 0);
  await program.result;
  assertCode(await pod.gc({ env }), 0);
});

scenario("nor if the caller has taken the descriptor of the image's", async ({ dir }) => {
  await plant(`${dir}/planted`);
  const { rootfs } = await openTree(STAGE1, CACHE);
  for (const name of PROGRAMS) {
    const start = 'exec 63<"$1" && cd "$2" && shift 2 && exec "$@"';
    const program = [`${rootfs}/${name}`, ...ARGUMENTS[name]];
    const argv = ["bash", "-c", start, "bash", `${dir}/planted`, dir, ...program];
    // An entrypoint that reads a planted file waits until it is killed.
    assertEquals((await execute(argv)).signal, null);
  }
});
