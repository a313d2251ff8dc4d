/**
 * The times that a user of rkt waits: for the import of a stage1 image, much of which
 * `--stage1-path` repeats each time, and for runs with an imported image.
 *
 * @module
 */

import { PROGRAMS } from "../../image/entrypoints.ts";
import { imageManifest } from "../../image/manifest.ts";
import { type Flavor, FLAVORS } from "../../src/stage1/flavor.ts";
import { must } from "../../tests/host.ts";
import { packImage } from "../../tests/images.ts";
import { DEFAULT_BUILD } from "../build_image.ts";
import { type Compression, COMPRESSIONS } from "../compression.ts";
import type { Contender, Measurement } from "../measure.ts";
import { architecture, VERSION } from "../project.ts";
import { type BenchContext, TITLES } from "./context.ts";
import { reportRuns } from "./report.ts";
import { diskUsage, sizeRow } from "./sizes.ts";
import { type Row, type RowHead, withoutFigures } from "./table.ts";

/** The number of rounds for each round of imports, which take seconds. */
const ROUNDS_PER_IMPORT = 4;

/** The rows of the imports. */
const FIRST_HEADS: Readonly<Record<Compression, RowHead>> = {
  gzip: { what: "first rkt run --stage1-path, gzip", unit: "× the peer" },
  xz: { what: "first rkt run --stage1-path, xz", unit: "× the peer" },
  none: { what: "first rkt run --stage1-path, not compressed", unit: "× the peer" },
};
const AGAIN_HEAD = {
  what: `rkt run --stage1-path again, ${DEFAULT_BUILD.compression}`,
  unit: "× the peer",
};
const STORE_HEAD = { what: "rkt's store with one stage1 and busybox", unit: "MB" };
const RUN_HEADS: Readonly<Record<Flavor, RowHead>> = {
  host: { what: `rkt run, ${TITLES.host}`, unit: "ms beyond an empty stage1" },
  isolated: { what: `rkt run, ${TITLES.isolated}`, unit: "ms beyond an empty stage1" },
};

const IMPORT_HEADS = [...Object.values(FIRST_HEADS), AGAIN_HEAD];

/** All rows. */
export const RKT_HEADS: readonly RowHead[] = [
  ...IMPORT_HEADS,
  STORE_HEAD,
  ...Object.values(RUN_HEADS),
];

/** A rkt with a data directory, and the image of an app. */
interface Rkt {
  /** The program, with the options that all commands have. */
  readonly command: readonly string[];
  /** Its data directory. */
  readonly data: string;
  /** The app's image. */
  readonly app: string;
}

/** Measures imports, stores and runs. Pods are mounted in this process's mount namespace. */
export async function benchRkt(context: BenchContext): Promise<Row[]> {
  const { rkt, directory } = context;
  if (rkt === undefined) return withoutFigures(RKT_HEADS, "no rkt: --rkt=FILE");
  const app = await packImage(context.app, `${directory}/app.aci`, "--gzip");
  const openRkt = (name: string): Rkt => {
    const data = `${directory}/rkt-${name}`;
    return { command: [rkt, `--dir=${data}`, "--insecure-options=image"], data, app };
  };
  return [
    ...await benchImports(context, openRkt),
    ...await benchRuns(context, openRkt("runs")),
  ];
}

/** Measures imports. Each build has a store of its own, whose size is measured at the end. */
async function benchImports(
  context: BenchContext,
  openRkt: (name: string) => Rkt,
): Promise<Row[]> {
  const { builds, peer } = context;
  const stores = builds.map(({ name }) => openRkt(name));
  const peers = peer && { name: peer.name, rkt: openRkt("peer"), image: peer.image };
  const images = (compression: Compression) =>
    builds.map(({ name, packed }, i) => (
      { name: `${compression}, ${name}`, rkt: stores[i]!, image: packed[compression] }
    ));
  const first = [...(peers ? [peers] : []), ...COMPRESSIONS.flatMap(images)];
  const again = [...(peers ? [peers] : []), ...images(DEFAULT_BUILD.compression)];
  const rounds = Math.ceil(context.rounds / ROUNDS_PER_IMPORT);
  const title = "rkt run --stage1-path=FILE of /bin/true";
  const firstTimes = await reportRuns(`${title}, first`, first.map(firstImport), rounds);
  const againTimes = await reportRuns(`${title}, again`, again.map(importAgain), rounds);
  const store = await sizeRow(STORE_HEAD.what, stores, ({ data }) => diskUsage(`${data}/cas`));
  for (const each of [...stores, ...(peers ? [peers.rkt] : [])]) await collect(each);
  return [...importRows(context, firstTimes, againTimes), store];
}

function importRows(
  { builds, peer }: BenchContext,
  first: Map<string, Measurement>,
  again: Map<string, Measurement>,
): Row[] {
  if (peer === undefined) return withoutFigures(IMPORT_HEADS, "no peer: --peer=ACI");
  const row = (head: RowHead, compression: Compression, times: Map<string, Measurement>) => ({
    ...head,
    unit: `× ${peer.name}`,
    figures: builds.map(({ name }) => times.get(`${compression}, ${name}`)!.ratio),
  });
  return [
    ...COMPRESSIONS.map((each) => row(FIRST_HEADS[each], each, first)),
    row(AGAIN_HEAD, DEFAULT_BUILD.compression, again),
  ];
}

/** The import of an image's file. */
interface Import {
  name: string;
  rkt: Rkt;
  image: string;
}

function importAgain({ name, rkt, image }: Import): Contender {
  return { name, argv: runCommand(rkt, `--stage1-path=${image}`) };
}

/** Makes the contender that imports into an empty store. */
function firstImport(each: Import): Contender {
  const collect = ["gc", "image gc"].map((command) =>
    `${each.rkt.command.join(" ")} ${command} --grace-period=0s`
  );
  return { ...importAgain(each), before: ["sh", "-c", collect.join(" && ")] };
}

function runCommand({ command, app }: Rkt, stage1: string): string[] {
  return [...command, "run", "--net=none", stage1, app];
}

/** Measures runs. rkt imports each image once before that. */
async function benchRuns(context: BenchContext, rkt: Rkt): Promise<Row[]> {
  const contenders: Contender[] = [];
  const add = async (name: string, image: string) => {
    const hash = (await must([...rkt.command, "fetch", "--full", image])).trim();
    contenders.push({ name, argv: runCommand(rkt, `--stage1-hash=${hash}`) });
  };
  await add("an empty stage1", await packEmptyImage(context));
  if (context.peer) await add(context.peer.name, context.peer.image);
  for (const { name, images } of context.builds) {
    for (const flavor of FLAVORS) {
      await add(`${TITLES[flavor]}, ${name}`, images[flavor]);
    }
  }
  const times = await reportRuns("rkt run of /bin/true", contenders, context.rounds);
  await collect(rkt);
  return FLAVORS.map((flavor) => ({
    ...RUN_HEADS[flavor],
    figures: context.builds.map(({ name }) => times.get(`${TITLES[flavor]}, ${name}`)!.beyond),
  }));
}

/** Packs a stage1 image whose entrypoints do nothing, to measure rkt and an empty program alone. */
async function packEmptyImage({ directory, empty }: BenchContext): Promise<string> {
  const root = `${directory}/empty-stage1`;
  // rkt sets the time of this directory before it starts `run`.
  await Deno.mkdir(`${root}/rootfs/rkt/status`, { recursive: true });
  const { appc } = architecture();
  const manifest = imageManifest({ version: VERSION, arch: appc, flavor: "host" });
  await Deno.writeTextFile(`${root}/manifest`, JSON.stringify({ ...manifest, name: "empty" }));
  for (const name of PROGRAMS) await Deno.link(empty, `${root}/rootfs/${name}`);
  return await packImage(root, `${root}.aci`, "--gzip");
}

async function collect({ command }: Rkt): Promise<void> {
  await must([...command, "gc", "--grace-period=0s"]);
}
