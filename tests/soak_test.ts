/** Runs a small soak; `deno task soak` runs a large one. */

import { assertCode } from "./expect.ts";
import { execute } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import { type Need, scenario } from "./scenario.ts";
import { soakCommand } from "./soak.ts";

const SOAKS: { title: string; seed: number; networks: boolean; needs: Need[] }[] = [
  { title: "pods", seed: 3, networks: false, needs: [] },
  { title: "pods with networks", seed: 4, networks: true, needs: NETWORK_NEEDS },
];

for (const { title, seed, networks, needs } of SOAKS) {
  scenario(
    `${title} whose processes are killed at random leave nothing`,
    { needs },
    async ({ dir }) => {
      const command = soakCommand({ pods: 6, atOnce: 3, seed, networks });
      const result = await execute(["env", `TMPDIR=${dir}`, ...command]);
      assertCode({ ...result, stderr: result.stdout + result.stderr }, 0);
    },
  );
}
