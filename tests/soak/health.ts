/**
 * Tells whether a pod of the soak has ended as its apps did: none that nothing was done to may have
 * been killed.
 *
 * @module
 */

import type { Pod } from "../stage0.ts";
import { type Ending, isSupervised, type PodPlan, type Victim } from "./plan.ts";

/** How a pod has ended. */
export interface Ended {
  plan: PodPlan;
  /** The kinds of processes that were killed. */
  killed: readonly Victim[];
  /** The exit code of `run`. */
  code: number;
  /** The exit status of each app, as `rkt status` shows it; `undefined` where there is none. */
  statuses: readonly (string | undefined)[];
  /** The standard error of `run`. */
  words: string;
}

/** The endings that kill no app that ends when it is asked to. */
const IN_ORDER: readonly Ending[] = ["by itself", "stop"];

/** The processes that a pod can lose without any harm to its apps. */
const APART: readonly Victim[] = ["enter", "gc"];

/** The exit status of an app that fails. */
const FAILURE = "3";

/** Reads the exit statuses of a pod's apps. */
export function readStatuses({ apps }: PodPlan, pod: Pod): (string | undefined)[] {
  return apps.map((_, i) => {
    try {
      return Deno.readTextFileSync(`${pod.stage1Rootfs}/rkt/status/app${i}`).trimEnd();
    } catch {
      return undefined;
    }
  });
}

/**
 * Lists what shows that an app was killed, or its status lost, one line each. Of a pod whose
 * processes were killed on purpose, nothing can be said.
 */
export function findUnhealthy({ plan, killed, code, statuses, words }: Ended): string[] {
  const isInOrder = IN_ORDER.includes(plan.ending) && killed.every((it) => APART.includes(it));
  if (!isSupervised(plan) || !isInOrder) return [];
  const mayBe = (program: string) => program === "fails" ? ["0", FAILURE] : ["0"];
  const unhealthy = plan.apps.flatMap((program, i) => {
    const status = statuses[i];
    const isHealthy = status !== undefined && mayBe(program).includes(status);
    return isHealthy ? [] : [`app${i} (${program}): status ${status}`];
  });
  const worst = statuses.includes(FAILURE) ? FAILURE : "0";
  return [
    ...unhealthy,
    ...(`${code}` === worst ? [] : [`run: exit code ${code}, not ${worst}`]),
    ...(/status.*cannot be written/.test(words) ? ["a status could not be written"] : []),
  ];
}
