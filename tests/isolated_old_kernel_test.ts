/** Tests of isolated pods on a kernel without mount_setattr(2). */

import { assertPrints, assertQuiet } from "./expect.ts";
import { scenario } from "./scenario.ts";

scenario(
  "a pod has its own namespaces, read-only paths and no devices",
  { flavor: "isolated", kernels: ["5.11"] },
  async ({ script }) => {
    await using pod = await script(
      `hostname; touch /sys/x 2>/dev/null || echo read-only
       grep ' / ' /proc/self/mounts | grep -c nodev
       ls /proc/self/fd | wc -l; cat /proc/1/comm`,
    );
    const result = await pod.run({ flags: { hostname: "old" } });
    assertQuiet(result);
    assertPrints(result, "old\nread-only\n1\n4\ninit\n");
  },
);
