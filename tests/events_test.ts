/** Programs that run at moments of an app's life. */

import { assertCode, assertPrints, assertRefused } from "./expect.ts";
import { assertMatch } from "@std/assert";
import { scenario, type SimplePod } from "./scenario.ts";

function preStart(script: string): SimplePod {
  return { app: { eventHandlers: [{ name: "pre-start", exec: ["/bin/sh", "-c", script] }] } };
}

scenario("a pre-start handler ends before the app starts, as the same user", async (stage) => {
  const options = preStart("sleep .1; id -un; echo $GREETING; echo made >/home/volo/file");
  await using pod = await stage.script("cat /home/volo/file; id -un", {
    app: {
      ...options.app,
      user: "volo",
      group: "volo",
      environment: [{ name: "GREETING", value: "hello" }],
    },
  });
  assertPrints(await pod.run(), "volo\nhello\nmade\nvolo\n");
});

scenario("a pre-start handler that fails keeps the app from starting", async ({ script }) => {
  await using pod = await script("echo started", preStart("exit 3"));
  const result = await pod.run();
  assertRefused(
    result,
    "run",
    /apps\[0\]\.app\.eventHandlers\[0\]\.exec\[0\]: ended with status 3/,
  );
});

scenario("a pre-start handler that is not there is named", async ({ pod: prepare }) => {
  await using pod = await prepare({
    app: { eventHandlers: [{ name: "pre-start", exec: ["nowhere"] }] },
  });
  assertRefused(
    await pod.run(),
    "run",
    /eventHandlers\[0\]\.exec\[0\]: "nowhere" is not in the app/,
  );
});

scenario("a pre-start handler does not hold the pod's lock", async ({ script }) => {
  await using pod = await script("true", preStart("test ! -e /proc/self/fd/9 && echo free"));
  assertPrints(await pod.run(), "free\n");
});

scenario("a post-stop handler is told of, and not run", async ({ script }) => {
  await using pod = await script("echo app", {
    app: { eventHandlers: [{ name: "post-stop", exec: ["/bin/echo", "after"] }] },
  });
  const result = await pod.run();
  assertCode(result, 0);
  assertMatch(result.stderr, /^run: apps\[0\]\.app\.eventHandlers\[0\]: ignored: .*\n$/);
});
