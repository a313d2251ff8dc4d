/**
 * One pod whose app is added, started, attached to and removed as often as wanted, and what its
 * `run` needs meanwhile.
 *
 * @module
 */

import { sleep } from "../host.ts";
import { readStatus } from "../procfs.ts";
import { Sandbox, STAY } from "../sandboxes.ts";
import type { Stage } from "../scenario.ts";

/** What `run` needs after so many changes. */
export interface Needs {
  /** How many apps have come and gone. */
  changes: number;
  /** Its memory now, and at its highest, in KiB. */
  memory: number;
  peak: number;
  /** Its open descriptors. */
  descriptors: number;
}

/** How many apps come and go between two looks. */
const BETWEEN = 50;

/**
 * How many milliseconds to wait before each look: `run` gives memory back once nothing has happened
 * for three seconds. Until then, garbage counts as memory.
 */
const REST = 4_000;

/**
 * Has apps come and go.
 *
 * @param times How often, rounded up to whole looks.
 * @param tell Is told what `run` needs, at the beginning and at each look.
 * @returns The same.
 */
export async function changeOften(
  stage: Pick<Stage, "stage0" | "image">,
  times: number,
  tell: (needs: Needs) => void = () => {},
  between = BETWEEN,
): Promise<Needs[]> {
  await using sandbox = await Sandbox.open(stage);
  const image = await stage.image({});
  const all: Needs[] = [];
  for (let changes = 0;; changes++) {
    if (changes % between === 0) {
      await sleep(REST);
      all.push(needsOf(sandbox, changes));
      tell(all.at(-1)!);
      if (changes >= times) break;
    }
    await comeAndGo(sandbox, image);
  }
  await sandbox.close();
  return all;
}

async function comeAndGo(sandbox: Sandbox, image: string): Promise<void> {
  const streams = { stdin: "stream", stdout: "stream", stderr: "stream" };
  await sandbox.launch("app", STAY, { image, streams });
  const attached = sandbox.pod.apps.attach("app", { keepsStdin: true });
  await sandbox.prints("app");
  attached.kill("SIGTERM");
  await attached.result;
  await sandbox.remove("app");
  await Deno.remove(`${sandbox.pod.dir}/log/app.log`);
}

function needsOf({ run }: Sandbox, changes: number): Needs {
  const { VmRSS, VmHWM } = readStatus(run.pid);
  const descriptors = [...Deno.readDirSync(`/proc/${run.pid}/fd`)].length;
  return { changes, memory: parseInt(VmRSS!), peak: parseInt(VmHWM!), descriptors };
}

/** How many KiB more memory `run` may have in the end than after the first apps. */
const MORE_MEMORY = 1024;

/**
 * Tells what `run` needs more and more of. The first apps fill caches: they are not counted.
 *
 * @returns `undefined` if there is nothing.
 */
export function growthOf(all: readonly Needs[]): string | undefined {
  const [first, last] = [all[1] ?? all[0]!, all.at(-1)!];
  const memory = last.memory - first.memory;
  const descriptors = last.descriptors - all[0]!.descriptors;
  if (descriptors > 0) return `${descriptors} descriptors more after ${last.changes} apps`;
  if (memory > MORE_MEMORY) return `${memory} KiB more after ${last.changes} apps`;
  return undefined;
}
