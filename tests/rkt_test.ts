/** Tests of the image under rkt itself, where it is installed. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { eventually, execute, isFile, type Result, which } from "./host.ts";
import { packImage } from "./images.ts";
import { mountsUnder } from "./procfs.ts";
import { ISOLATED_STAGE1, scenario, type Stage, STAGE1 } from "./scenario.ts";
import { removeTree } from "./stage0/pod_dir.ts";

const RKT = Deno.env.get("RKT") || which("rkt");
const PUBLIC_KEY = STAGE1.replace(/[^/]*$/, "development-key.pub.asc");

const NEEDS = [{ what: "rkt on PATH or in RKT", met: RKT !== undefined }];
const SIGNED = [{ what: "a signed image", met: isFile(`${STAGE1}.asc`) && isFile(PUBLIC_KEY) }];

/** rkt with a data directory and a configuration of its own. */
class Rkt implements AsyncDisposable {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = `${dir}/rkt`;
  }

  /** Returns the command line of a command of rkt. */
  argv(...args: string[]): string[] {
    const options = [
      `--dir=${this.#dir}/data`,
      `--local-config=${this.#dir}/config`,
      `--system-config=${this.#dir}/system`,
    ];
    // Commands that change a pod are called experiments.
    const experiments = ["RKT_EXPERIMENT_APP=true", "RKT_EXPERIMENT_ATTACH=true"];
    return ["env", ...experiments, RKT!, ...options, ...args];
  }

  /** Runs a command of rkt. */
  call(...args: string[]): Promise<Result> {
    return execute(this.argv(...args));
  }

  /** Runs a command of rkt that has to succeed, and returns what it printed. */
  async must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.call(...args);
    assertEquals(code, 0, `rkt ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /**
   * Returns the arguments that run an image with the stage1 under test, without verifying either.
   */
  runArgv(image: string, ...rest: string[]): string[] {
    return this.runArgvWith(STAGE1, image, ...rest);
  }

  /** Returns the arguments that run an image with this stage1, without verifying either. */
  runArgvWith(stage1: string, ...rest: string[]): string[] {
    return this.argv("--insecure-options=image", "run", `--stage1-path=${stage1}`, ...rest);
  }

  /** Lists the mounts in the data directory. */
  mounts(): string[] {
    return mountsUnder(this.#dir).map(({ path }) => path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.mkdir(this.#dir, { recursive: true });
    await removeTree(this.#dir);
  }
}

async function packScript({ dir, image }: Stage, text: string): Promise<string> {
  const app = { exec: ["/bin/sh", "-c", text] };
  return await packImage(await image({ app }), `${dir}/app.aci`, "--gzip");
}

/** Starts a pod by rkt in the background, and waits until it has a UUID and a PID. */
async function startUnderRkt(rkt: Rkt, stage: Stage, image: string) {
  const file = `${stage.dir}/uuid`;
  const [program, ...args] = rkt.runArgv(image, `--uuid-file-save=${file}`);
  const pipes = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(program!, { args, ...pipes }).spawn();
  await eventually("the pod's UUID", () => isFile(file));
  const uuid = await Deno.readTextFile(file);
  await eventually(
    "the pod's pid",
    async () => /^pid=\d/m.test((await rkt.call("status", uuid)).stdout),
  );
  return { uuid, output: child.output() };
}

scenario("rkt run passes output and exit code through", { needs: NEEDS }, async (stage) => {
  await using rkt = new Rkt(stage.dir);
  const image = await packScript(stage, 'echo "hello $AC_APP_NAME"; exit 7');
  const { code, stdout, stderr } = await execute(rkt.runArgv(image));
  assertEquals({ code, stdout }, { code: 7, stdout: "hello app\n" }, stderr);
});

scenario("rkt lists, enters, stops and collects a pod", { needs: NEEDS }, async (stage) => {
  await using rkt = new Rkt(stage.dir);
  const image = await packScript(stage, "trap 'exit 5' TERM; while :; do sleep .01; done");
  const { uuid, output } = await startUnderRkt(rkt, stage, image);

  assertMatch((await rkt.call("status", uuid)).stdout, /^state=running$/m);
  assertMatch((await rkt.call("list", "--full")).stdout, new RegExp(`${uuid}\\s+app\\s.*running`));

  const entered = await rkt.call("enter", uuid, "/bin/sh", "-c", "echo in $AC_APP_NAME; exit 3");
  assertEquals([entered.code, entered.stdout], [3, "in app\n"], entered.stderr);

  const stopped = await rkt.call("stop", uuid);
  assertEquals(stopped.code, 0, stopped.stderr);
  assertEquals((await output).code, 5);
  assertMatch((await rkt.call("status", uuid)).stdout, /^state=exited$/m);

  const collected = await rkt.call("gc", "--grace-period=0s");
  assertEquals(collected.code, 0, collected.stderr);
  assertEquals((await rkt.call("list", "--no-legend")).stdout.trim(), "");
  assertEquals(rkt.mounts(), []);
});

const shapes: [what: string, stage1: string, apps: number][] = [
  ["of one app", STAGE1, 1],
  ["of two apps", STAGE1, 2],
  ["with namespaces of its own", ISOLATED_STAGE1, 1],
];

for (const [what, stage1, apps] of shapes) {
  scenario(`rkt status --wait-ready returns for a pod ${what}`, { needs: NEEDS }, async (stage) => {
    await using rkt = new Rkt(stage.dir);
    const image = await packScript(stage, "exec sleep 100");
    const file = `${stage.dir}/uuid`;
    const images = Array.from({ length: apps }, (_, i) => [image, `--name=app${i}`]).flat();
    const flags = ["--net=none", `--uuid-file-save=${file}`];
    const argv = stage1 === STAGE1 ? flags.slice(1) : flags;
    const [program, ...args] = rkt.runArgvWith(stage1, ...argv, ...images);
    const pipes = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
    const child = new Deno.Command(program!, { args, ...pipes }).spawn();
    const output = child.output();
    await eventually("the pod's UUID", () => isFile(file));
    const uuid = await Deno.readTextFile(file);
    const { code, stdout, stderr } = await rkt.call("status", "--wait-ready=30s", uuid);
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^state=running$/m);
    assertMatch(stdout, /^pid=\d+$/m);
    assertEquals((await rkt.call("stop", "--force", uuid)).code, 0);
    await output;
    assertEquals((await rkt.call("gc", "--grace-period=0s")).code, 0);
  });
}

/** Starts a pod without apps by rkt, and waits until it is ready. */
async function startSandbox(rkt: Rkt, { dir }: Stage, stage1: string, ...flags: string[]) {
  const file = `${dir}/uuid`;
  const sandbox = ["app", "sandbox", `--stage1-path=${stage1}`, `--uuid-file-save=${file}`];
  const [program, ...args] = rkt.argv("--insecure-options=image", ...sandbox, ...flags);
  const pipes = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(program!, { args, ...pipes }).spawn();
  const output = child.output();
  await eventually("the pod's UUID", () => isFile(file));
  const uuid = await Deno.readTextFile(file);
  await rkt.must("status", "--wait-ready=30s", uuid);
  return { uuid, output };
}

const sandboxes: [what: string, stage1: string, flags: string[]][] = [
  ["in the host's namespaces", STAGE1, []],
  ["with namespaces of its own", ISOLATED_STAGE1, ["--net=none"]],
];

for (const [what, stage1, flags] of sandboxes) {
  scenario(
    `rkt adds, starts, stops and removes apps of a pod ${what}`,
    { needs: NEEDS, patience: 180_000 },
    async (stage) => {
      await using rkt = new Rkt(stage.dir);
      const { uuid, output } = await startSandbox(rkt, stage, stage1, ...flags);
      const image = await packScript(stage, "echo up; read -r line; echo got $line; exit 3");
      await rkt.must("--insecure-options=image", "fetch", image);
      const app = (command: string, ...args: string[]) =>
        rkt.must("app", command, uuid, "--app=mine", ...args);
      const stateIs = (state: string) =>
        eventually(
          `the state ${state}`,
          async () => (await app("status")).includes(`state=${state}\n`),
        );
      for (let i = 0; i < 2; i++) {
        const streams = ["stdin", "stdout", "stderr"].map((name) => `--${name}=stream`);
        await rkt.must("app", "add", uuid, "example.com/app", "--name=mine", ...streams);
        // rkt keeps the mark of an app that was started before under this name.
        if (i === 0) assertMatch(await app("status"), /^state=created$/m);
        await app("start");
        await stateIs("running");
        const list = await rkt.must("attach", "--app=mine", "--mode=list", uuid);
        assertEquals(list.trim().split("\n").toSorted(), ["stderr", "stdin", "stdout"]);
        const attach = rkt.argv("attach", "--app=mine", uuid);
        const typed = ["sh", "-c", 'echo hello | "$0" "$@"', ...attach];
        assertMatch((await execute(typed)).stdout, /^(up\n)?got hello\n$/);
        await stateIs("exited");
        assertMatch(await app("status"), /^exit_code=3$/m);
        await app("start");
        await stateIs("running");
        await app("stop");
        await stateIs("exited");
        await app("stop");
        if (i === 0) await app("start");
        await app("rm");
        assertEquals((await rkt.must("app", "list", "--no-legend", uuid)).trim(), "");
      }
      await rkt.must("stop", uuid);
      assertEquals((await output).code, 0);
      await rkt.must("gc", "--grace-period=0s");
      assertEquals(rkt.mounts(), []);
    },
  );
}

scenario("rkt stop --force ends a pod that will not", { needs: NEEDS }, async (stage) => {
  await using rkt = new Rkt(stage.dir);
  const image = await packScript(stage, "trap '' TERM; while :; do sleep .01; done");
  const { uuid, output } = await startUnderRkt(rkt, stage, image);
  const stopped = await rkt.call("stop", "--force", uuid);
  assertEquals(stopped.code, 0, stopped.stderr);
  assertEquals((await output).signal, "SIGKILL");
});

scenario(
  "rkt fetches the image by its signature",
  { needs: [...NEEDS, ...SIGNED] },
  async ({ dir }) => {
    await using rkt = new Rkt(dir);
    const refused = await rkt.call("fetch", STAGE1);
    assertEquals(refused.code === 0, false, "an image whose key nobody trusts was accepted");

    const trusted = await rkt.call("trust", "--root", "--skip-fingerprint-review", PUBLIC_KEY);
    assertEquals(trusted.code, 0, trusted.stderr);
    const fetched = await rkt.call("fetch", STAGE1);
    assertEquals(fetched.code, 0, fetched.stderr);
    assertStringIncludes(fetched.stdout, "sha512-");
  },
);
