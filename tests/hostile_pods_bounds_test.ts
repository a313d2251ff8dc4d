/** Tests of hostile pods that take all that a pod may have. They are entered all the same. */

import { assertMatch } from "@std/assert";
import { assertCode } from "./expect.ts";
import { SCRIPT, TERMINAL } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { BY_DEFAULT, WITH_PRIVATE_USERS } from "./hostile_pods/stances.ts";
import { startUp } from "./pod_processes.ts";
import { scenario } from "./scenario.ts";

for (const { what, app, privateUsers } of [BY_DEFAULT, WITH_PRIVATE_USERS]) {
  scenario(`who takes all terminals of the pod is entered with a terminal, ${what}`, {
    flavor: "isolated",
    needs: [...COMPILER, SCRIPT],
  }, async (stage) => {
    const image = await hostileImage(stage);
    await using pod = await stage.pod({
      image,
      app: { ...app, exec: [HOSTILE, "take_terminals"] },
      ...privateUsers ? { privateUsers } : {},
    });
    await startUp(pod);
    const command = ["/bin/sh", "-c", "test -t 0 && exec 3<>/dev/tty && echo entered >&3"];
    const result = await pod.enter("app", command, { host: TERMINAL });
    assertCode(result, 0);
    assertMatch(result.stdout, /entered/);
  });
}
