/**
 * `deno task bench`: what a start costs. Prints figures and judges nothing.
 *
 * @module
 */

import { buildImage } from "./build_image.ts";
import { paint, runTask, say, taskArguments } from "./console.ts";
import { type Contender, formatMeasurements, measure } from "./measure.ts";
import { architecture, DIST, IMAGE, PROGRAMS } from "./project.ts";
import { provideRuntime } from "./runtime.ts";

const USAGE = `Usage: deno task bench [--rounds=N] [--rkt=FILE --app=ACI] [--peer=ACI]

Measures each entrypoint's start-up against an empty compiled program, and, with a rkt program and
an app image that has /bin/true, whole runs of a pod.

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
  await buildImage();
  const directory = await Deno.makeTempDir({ prefix: "stage1-volo-bench-" });
  try {
    const peer = options.peer === undefined ? undefined : await Deno.realPath(options.peer);
    await benchStarts(directory, peer, rounds);
    const rkt = options.rkt ?? Deno.env.get("RKT");
    if (rkt && options.app) await benchRuns(directory, rkt, options.app, peer, rounds);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function benchStarts(directory: string, peer: string | undefined, rounds: number) {
  const empty = await compilePlainly(directory);
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

async function benchRuns(
  directory: string,
  rkt: string,
  app: string,
  peer: string | undefined,
  rounds: number,
) {
  const base = [rkt, `--dir=${directory}/rkt`, "--insecure-options=image"];
  const images = peer ? [["peer", peer], ["stage1-volo", IMAGE]] : [["stage1-volo", IMAGE]];
  const contenders: Contender[] = [];
  for (const [name, image] of images) {
    const hash = await output([...base, "fetch", "--full", image!]);
    contenders.push({
      name: name!,
      argv: [...base, "run", `--stage1-hash=${hash}`, app, "--exec=/bin/true"],
    });
  }
  await report("rkt run of /bin/true", contenders, rounds);
  await output([...base, "gc", "--grace-period=0s"]);
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

async function unpack(image: string, directory: string): Promise<string> {
  await Deno.mkdir(directory);
  await output(["tar", "-xf", image, "-C", directory]);
  return `${directory}/rootfs`;
}

async function output(
  [program, ...args]: readonly string[],
  place: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const result = await new Deno.Command(program!, { args, stdin: "null", ...place }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!result.success) throw new Error(`${program} ${args.join(" ")}: ${text(result.stderr)}`);
  return text(result.stdout);
}

if (import.meta.main) await runTask("bench", main);
