/** Runs a small soak; `deno task soak` runs a large one. */

import { assertEquals } from "@std/assert";
import { wantsAll } from "../tasks/setup.mjs";
import { assertCode } from "./expect.ts";
import { execute } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import { type Need, scenario } from "./scenario.ts";
import { type SoakArguments, soakCommand } from "./soak.ts";
import { growthOf } from "./soak/changes.ts";
import { type Ended, findUnhealthy } from "./soak/health.ts";
import { planSoak, type PodPlan } from "./soak/plan.ts";

/** A pod of two apps that are asked to end, and the parts that a test gives. */
function ended(parts: Partial<Ended>): Ended {
  const plan: PodPlan = { ...planOfPod(), apps: ["stays", "fails"], ending: "stop" };
  return { plan, killed: [], code: 3, statuses: ["0", "3"], words: "", ...parts };
}

function planOfPod(): PodPlan {
  return planSoak({ pods: 1, seed: 1, networks: "none" })[0]!;
}

Deno.test("a pod of the soak that ends in order is healthy", () => {
  assertEquals(findUnhealthy(ended({})), []);
  assertEquals(findUnhealthy(ended({ code: 0, statuses: ["0", "0"] })), []);
});

Deno.test("the soak sees apps that were killed by nobody, and statuses that are lost", () => {
  assertEquals(findUnhealthy(ended({ code: 254, statuses: ["137", undefined] })), [
    "app0 (stays): status 137",
    "app1 (fails): status undefined",
    "run: exit code 254, not 0",
  ]);
  assertEquals(findUnhealthy(ended({ killed: ["enter"], code: 137 })).length, 1);
  assertEquals(findUnhealthy(ended({ killed: ["app"], code: 137 })), []);
  const words = "run: stage1/rootfs/rkt/status/app0: cannot be written: ENOSPC";
  assertEquals(findUnhealthy(ended({ words })).length, 1);
});

Deno.test("a run that needs more and more is seen, and its first apps are not counted", () => {
  const needs = (changes: number, memory: number, descriptors: number) => ({
    changes,
    memory,
    peak: memory,
    descriptors,
  });
  const first = [needs(0, 40_000, 20), needs(50, 70_000, 20)];
  assertEquals(growthOf([...first, needs(100, 71_000, 20)]), undefined);
  assertEquals(
    growthOf([...first, needs(100, 70_000, 21)]),
    "1 descriptors more after 100 apps",
  );
  assertEquals(growthOf([...first, needs(100, 90_000, 20)]), "20000 KiB more after 100 apps");
});

/** A soak, and what it needs. */
interface Soak extends SoakArguments {
  title: string;
  needs: Need[];
  /** How many milliseconds it may take. */
  patience?: number;
}

const HURT = "whose processes are killed and whose disks fill at random";

const NO_SANDBOXES = { sandboxes: 0, changes: 0 };

const SOAKS: Soak[] = [
  {
    title: `pods ${HURT}`,
    pods: 6,
    ...NO_SANDBOXES,
    atOnce: 3,
    seed: 3,
    networks: "none",
    needs: [],
  },
  {
    title: `pods with networks ${HURT}`,
    ...{ pods: 6, ...NO_SANDBOXES, atOnce: 3, seed: 4, networks: "some" },
    needs: NETWORK_NEEDS,
  },
  {
    title: "pods whose apps come and go, and whose processes are killed,",
    ...{ pods: 0, sandboxes: 6, changes: 0, atOnce: 3, seed: 6, networks: "none" },
    needs: [],
    patience: 180_000,
  },
  {
    title: `a hundred pods, all of them with networks and ports, ${HURT}`,
    ...{ pods: 100, sandboxes: 20, changes: 0, atOnce: 8, seed: 5, networks: "all" },
    needs: [{ what: "VOLO_ALL=1", met: wantsAll(Deno.env.toObject()) }, ...NETWORK_NEEDS],
    patience: 600_000,
  },
];

for (const { title, needs, patience, ...soak } of SOAKS) {
  scenario(
    `${title} leave nothing`,
    { needs, ...(patience === undefined ? {} : { patience }) },
    async ({ dir }) => {
      const result = await execute(["env", `TMPDIR=${dir}`, ...soakCommand(soak)]);
      assertCode({ ...result, stderr: result.stdout + result.stderr }, 0);
    },
  );
}
