/**
 * What `deno task bench` compares without rkt: our `run` as the stand-in for stage0 starts it, and `runc run` of the
 * same root file system, with the namespaces, capabilities and system calls of an isolated pod.
 *
 * @module
 */

import { expandWildcard } from "../src/app/seccomp_sets.ts";
import { ISOLATIONS } from "../src/stage1/isolation.ts";
import { must, which } from "../tests/host.ts";
import { makeImage } from "../tests/images.ts";
import { type Pod, Stage0 } from "../tests/stage0.ts";
import type { Contender } from "./measure.ts";
import { IMAGES } from "./project.ts";

const PROGRAM = ["/bin/true"];
/** rkt's lock, for `run` to find. */
const LOCK_FD = 9;
/** What puts both in the same place: a shell that takes the lock, and becomes the program. */
const LAUNCH = `exec ${LOCK_FD}<. && flock --exclusive ${LOCK_FD} && exec "$@"`;

/**
 * Prepares the pods, and has them measured. Their file systems are mounted where this program runs: that is to be
 * a mount namespace of its own.
 *
 * @param directory Where they are put.
 * @param compare What measures the contenders, each of which can be started again and again.
 */
export async function withPods(
  directory: string,
  compare: (contenders: readonly Contender[]) => Promise<void>,
): Promise<void> {
  const image = await makeImage(`${directory}/image`, { app: { exec: PROGRAM } });
  const contenders = await containers(directory, `${image}/rootfs`);
  await using ends = new AsyncDisposableStack();
  for (const isolation of ISOLATIONS) {
    const stage0 = ends.use(await Stage0.open({ stage1: IMAGES[isolation] }));
    const pod = ends.use(await stage0.prepare({ apps: [{ image, name: "app" }] }));
    ends.defer(async () => void await pod.gc());
    contenders.push(podContender(`run (${isolation})`, pod));
  }
  await compare(contenders);
}

function podContender(name: string, { dir, uuid, stage1Rootfs }: Pod): Contender {
  return {
    name,
    argv: ["sh", "-c", LAUNCH, "stage0", `${stage1Rootfs}/run`, "--net=none", uuid],
    cwd: dir,
    env: { RKT_LOCK_FD: `${LOCK_FD}` },
  };
}

/** @returns None where there is no runc. */
async function containers(directory: string, rootfs: string): Promise<Contender[]> {
  const runc = which("runc");
  if (runc === undefined) return [];
  const bundle = `${directory}/bundle`;
  await Deno.mkdir(bundle);
  await must([runc, "spec", "--bundle", bundle]);
  const file = `${bundle}/config.json`;
  const spec = JSON.parse(await Deno.readTextFile(file));
  await Deno.writeTextFile(file, JSON.stringify(isolated(spec, rootfs)));
  const argv = [runc, `--root=${directory}/runc`, "run", `--bundle=${bundle}`, "stage1-volo-bench"];
  return [{ name: "runc", argv: ["sh", "-c", LAUNCH, "stage0", ...argv], cwd: bundle }];
}

/** What of runc's own proposal is needed here: OCI runtime specification, `config.md`, `config-linux.md`. */
interface RuntimeSpec {
  process: object;
  linux: { namespaces: { type: string }[] };
}

/** The proposal has neither a filter nor a cgroup namespace, both of which an isolated pod has. */
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
