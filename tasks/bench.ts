/**
 * `deno task bench`: what a start costs. Prints figures and judges nothing.
 *
 * @module
 */

import { imageManifest } from "../image/manifest.ts";
import { withPods } from "./bench_pods.ts";
import { buildImages } from "./build_image.ts";
import { paint, runTask, say, taskArguments } from "./console.ts";
import { type Contender, formatMeasurements, measure } from "./measure.ts";
import { architecture, DIST, IMAGES, PROGRAMS, VERSION } from "./project.ts";
import { provideRuntime } from "./runtime.ts";

const USAGE = `Usage: deno task bench [--rounds=N] [--rkt=FILE --app=ACI] [--peer=ACI]

Measures each entrypoint's start-up against an empty compiled program; for root, runs of a pod
against runc, where there is one; and, with a rkt program and an app image that has /bin/true, the
same under rkt, against an image whose programs are empty. Pods are mounted where this runs:

  unshare --mount --propagation private npm run deno -- task bench

  --rounds=N   how often each command is timed (30)
  --rkt=FILE   the rkt program (RKT)
  --app=ACI    the app image that rkt runs
  --peer=ACI   another stage1 image, to be compared with
  --debug      show where an error comes from`;

/** Arguments with which each entrypoint does all that needs no pod. */
const STARTS: Readonly<Record<typeof PROGRAMS[number], readonly string[]>> = {
  run: ["--net=default", "00000000-0000-0000-0000-000000000001"],
  enter: ["--pid=1", "--appname=app", "--", "/bin/true"],
  gc: ["00000000-0000-0000-0000-000000000001"],
  stop: ["00000000-0000-0000-0000-000000000001"],
};

async function main(args: string[]): Promise<void> {
  const options = taskArguments(args, {
    string: ["rounds", "rkt", "app", "peer"],
    usage: USAGE,
  });
  const rounds = Number(options.rounds ?? 30);
  await buildImages();
  const directory = await Deno.makeTempDir({ prefix: "stage1-volo-bench-" });
  try {
    const peer = options.peer === undefined ? undefined : await Deno.realPath(options.peer);
    const empty = await compilePlainly(directory);
    await benchStarts(directory, empty, peer, rounds);
    if (Deno.uid() === 0) {
      await withPods(
        directory,
        (pods) => reportRuns("A pod of /bin/true, without rkt", pods, rounds),
      );
    }
    const rkt = options.rkt ?? Deno.env.get("RKT");
    if (rkt && options.app) {
      const images = {
        ...(peer && { peer }),
        "an empty stage1": await packEmptyImage(directory, empty),
        "stage1-volo (host)": IMAGES.host,
        "stage1-volo (pod)": IMAGES.pod,
      };
      await benchRuns(directory, { rkt, app: options.app, images }, rounds);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function benchStarts(
  directory: string,
  empty: string,
  peer: string | undefined,
  rounds: number,
) {
  const peerRoot = peer && await unpack(peer, `${directory}/peer`);
  await Deno.mkdir(`${directory}/pod`);
  for (const name of PROGRAMS) {
    // A descriptor that is not open: `run` goes as far as to ask the kernel about it.
    const place = { cwd: `${directory}/pod`, env: { RKT_LOCK_FD: "999" } };
    const contenders: Contender[] = [
      { name: "an empty program", argv: [empty], ...place },
      { name, argv: [`${DIST}/bin/${name}`, ...STARTS[name]], ...place },
    ];
    if (peerRoot) {
      contenders.push({ name: "peer", argv: [`${peerRoot}/${name}`, ...STARTS[name]], ...place });
    }
    await report(`Start-up of ${name}`, contenders, rounds);
  }
}

/** A pod and what it is run with. */
interface Runs {
  rkt: string;
  /** An app image that has /bin/true. */
  app: string;
  /** Stage1 images, by what they are called here. */
  images: Readonly<Record<string, string>>;
}

/** rkt imports each image once, before anything is timed. */
async function benchRuns(directory: string, { rkt, app, images }: Runs, rounds: number) {
  const base = [rkt, `--dir=${directory}/rkt`, "--insecure-options=image"];
  const contenders: Contender[] = [];
  for (const [name, image] of Object.entries(images)) {
    const hash = await output([...base, "fetch", "--full", image]);
    contenders.push({
      name,
      argv: [...base, "run", "--net=none", `--stage1-hash=${hash}`, app, "--exec=/bin/true"],
    });
  }
  await reportRuns("rkt run of /bin/true", contenders, rounds);
  await output([...base, "gc", "--grace-period=0s"]);
}

/** As {@linkcode report}, of what has to succeed: who fails would win. */
async function reportRuns(title: string, contenders: readonly Contender[], rounds: number) {
  for (const { argv, ...place } of contenders) await output(argv, place);
  await report(title, contenders, rounds);
}

async function report(title: string, contenders: readonly Contender[], rounds: number) {
  say(paint("bold", title));
  for (const line of formatMeasurements(await measure(contenders, rounds))) say(`  ${line}`);
  say();
}

/** An empty program as anyone compiles it: the entrypoints' own options would make it faster, too. */
async function compilePlainly(directory: string): Promise<string> {
  const runtime = await provideRuntime({ architecture: architecture() });
  await Deno.writeTextFile(`${directory}/empty.js`, "Deno.exit(0);\n");
  const command = [Deno.execPath(), "compile", "--quiet", "--no-config", "--no-code-cache"];
  await output(
    [...command, "--output=empty", "empty.js"],
    { cwd: directory, ...(runtime && { env: { DENORT_BIN: runtime } }) },
  );
  return `${directory}/empty`;
}

/** A stage1 image that does nothing: what rkt and an empty program take before any work is done. */
async function packEmptyImage(directory: string, empty: string): Promise<string> {
  const root = `${directory}/empty-stage1`;
  // Whose time rkt sets before it starts `run`.
  await Deno.mkdir(`${root}/rootfs/rkt/status`, { recursive: true });
  const { appc } = architecture();
  const manifest = imageManifest({ version: VERSION, arch: appc, isolation: "host" });
  await Deno.writeTextFile(`${root}/manifest`, JSON.stringify({ ...manifest, name: "empty" }));
  for (const name of PROGRAMS) await Deno.link(empty, `${root}/rootfs/${name}`);
  await output(["tar", "-cf", `${root}.aci`, "-C", root, "manifest", "rootfs"]);
  return `${root}.aci`;
}

async function unpack(image: string, directory: string): Promise<string> {
  await Deno.mkdir(directory);
  await output(["tar", "-xf", image, "-C", directory]);
  return `${directory}/rootfs`;
}

async function output(
  [program, ...args]: readonly string[],
  { cwd, env }: Pick<Contender, "cwd" | "env"> = {},
): Promise<string> {
  const result = await new Deno.Command(program!, {
    args,
    stdin: "null",
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env: { ...env } }),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!result.success) throw new Error(`${program} ${args.join(" ")}: ${text(result.stderr)}`);
  return text(result.stdout);
}

if (import.meta.main) await runTask("bench", main);
