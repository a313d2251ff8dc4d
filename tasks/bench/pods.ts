/**
 * The cost of a pod without rkt: of `run`, started by the stand-in for stage0, and of `runc run`
 * with the same root file system and the namespaces, capabilities and system calls of an isolated
 * pod.
 *
 * @module
 */

import { expandWildcard } from "../../src/plan/process/seccomp_sets.ts";
import { FLAVORS } from "../../src/stage1/flavor.ts";
import { must, which } from "../../tests/host.ts";
import { type Pod, Stage0 } from "../../tests/stage0.ts";
import type { Contender, Measurement } from "../measure.ts";
import { type BenchContext, TITLES } from "./context.ts";
import { reportRuns } from "./report.ts";
import type { Row, RowHead } from "./table.ts";

const PROGRAM = ["/bin/true"];
/** The descriptor of rkt's lock. */
const LOCK_FD = 9;
/** The shell script that starts both alike: it takes the lock and executes the program. */
const LAUNCH = `exec ${LOCK_FD}<. && flock --exclusive ${LOCK_FD} && exec "$@"`;

/** The rows, one for each of {@linkcode FLAVORS}. */
export const POD_HEADS: readonly RowHead[] = FLAVORS.map((flavor) => (
  { what: `a pod without rkt, ${TITLES[flavor]}`, unit: "× runc run" }
));

/**
 * Prepares pods of each build, and measures them. Their file systems are mounted in the mount
 * namespace of this process, which has to be its own.
 */
export async function benchPods(context: BenchContext): Promise<Row[]> {
  const contenders = await containers(context);
  const reason = contenders.length === 0 ? "no runc" : undefined;
  await using ends = new AsyncDisposableStack();
  for (const { name, trees } of context.builds) {
    for (const flavor of FLAVORS) {
      const stage0 = ends.use(await Stage0.open({ stage1: trees[flavor] }));
      const pod = ends.use(await stage0.prepare({ apps: [{ image: context.app, name: "app" }] }));
      ends.defer(async () => void await pod.gc());
      contenders.push(podContender(`run (${TITLES[flavor]}), ${name}`, pod));
    }
  }
  const title = "A pod of /bin/true, without rkt";
  const times = await reportRuns(title, contenders, context.rounds);
  return podRows(context, times, reason);
}

function podRows(
  { builds }: BenchContext,
  times: Map<string, Measurement>,
  reason: string | undefined,
): Row[] {
  return FLAVORS.map((flavor, i) => {
    const ratios = builds.map(({ name }) => times.get(`run (${TITLES[flavor]}), ${name}`)!.ratio);
    return { ...POD_HEADS[i]!, figures: reason ?? ratios };
  });
}

function podContender(name: string, { dir, uuid, stage1Rootfs }: Pod): Contender {
  return {
    name,
    argv: ["sh", "-c", LAUNCH, "stage0", `${stage1Rootfs}/run`, "--net=none", uuid],
    cwd: dir,
    env: { RKT_LOCK_FD: `${LOCK_FD}` },
  };
}

/** Prepares the containers of runc; none when runc is missing. */
async function containers({ directory, app }: BenchContext): Promise<Contender[]> {
  const runc = which("runc");
  if (runc === undefined) return [];
  const bundle = `${directory}/bundle`;
  await Deno.mkdir(bundle);
  await must([runc, "spec", "--bundle", bundle]);
  const file = `${bundle}/config.json`;
  const spec = JSON.parse(await Deno.readTextFile(file));
  await Deno.writeTextFile(file, JSON.stringify(isolated(spec, `${app}/rootfs`)));
  const argv = [runc, `--root=${directory}/runc`, "run", `--bundle=${bundle}`, "stage1-volo-bench"];
  return [{ name: "runc", argv: ["sh", "-c", LAUNCH, "stage0", ...argv], cwd: bundle }];
}

/** The part of the output of `runc spec` that is used: OCI's `config.md`, `config-linux.md`. */
interface RuntimeSpec {
  process: object;
  linux: { namespaces: { type: string }[] };
}

/**
 * Adds a filter and a cgroup namespace, which an isolated pod has, to the output of `runc spec`.
 */
function isolated(spec: RuntimeSpec, rootfs: string) {
  const names = expandWildcard("@rkt/default-whitelist");
  const syscalls = [{ names, action: "SCMP_ACT_ALLOW" }];
  return {
    ...spec,
    process: { ...spec.process, terminal: false, args: PROGRAM },
    root: { path: rootfs },
    linux: {
      ...spec.linux,
      namespaces: [...spec.linux.namespaces, { type: "cgroup" }],
      seccomp: { defaultAction: "SCMP_ACT_ERRNO", syscalls },
    },
  };
}
