/** Tests of event handlers: programs that run before an app starts and after it has ended. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { assertCode, assertPrints, assertRefused } from "./expect.ts";
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
  const { code, stdout, stderr } = await pod.run();
  assertEquals({ code, stdout, stderr }, {
    code: 3,
    stdout: "",
    stderr: "run: apps[0].app.eventHandlers[0]: ended with status 3\n",
  });
});

scenario("a pre-start handler that is not there is named", async ({ pod: prepare }) => {
  await using pod = await prepare({
    app: { eventHandlers: [{ name: "pre-start", exec: ["nowhere"] }] },
  });
  assertRefused(
    await pod.run(),
    "run",
    /eventHandlers\[0\]\.exec\[0\]: Error: Unable to open "nowhere": No such file or directory: /,
  );
});

scenario("a pre-start handler does not hold the pod's lock", async ({ script }) => {
  await using pod = await script("true", preStart("test ! -e /proc/self/fd/9 && echo free"));
  assertPrints(await pod.run(), "free\n");
});

function postStop(script: string): SimplePod {
  return { app: { eventHandlers: [{ name: "post-stop", exec: ["/bin/sh", "-c", script] }] } };
}

scenario(
  "a post-stop handler runs when the app has ended, and leaves its status",
  async (stage) => {
    await using pod = await stage.script("echo app; exit 7", postStop("echo after; id -un"));
    const result = await pod.run();
    assertEquals({ code: result.code, stdout: result.stdout }, {
      code: 7,
      stdout: "app\nafter\nroot\n",
    });
    assertEquals(result.stderr, "");
  },
);

scenario("a post-stop handler runs after rkt stop, too", async ({ script }) => {
  await using pod = await script(
    "trap 'echo asked; exit 3' TERM; echo up; while :; do sleep .05; done",
    {
      ...postStop("echo after"),
    },
  );
  const program = await pod.launch();
  await program.prints("up");
  assertEquals(await pod.isRunning(), true);
  assertCode(await pod.stop(), 0);
  const { code, stdout } = await program.result;
  assertEquals({ code, stdout }, { code: 3, stdout: "up\nasked\nafter\n" });
  assertEquals(pod.readNumber("pid"), program.pid);
});

scenario("a post-stop handler does not start when all is ended by force", async ({ script }) => {
  await using pod = await script("echo up; sleep 100", postStop("echo after"));
  const program = await pod.launch();
  await program.prints("up");
  assertCode(await pod.stop({ force: true }), 0);
  assertEquals((await program.result).stdout, "up\n");
});

scenario("the app's filter holds for its handlers too, and not for run", async (stage) => {
  const make = (name: string) => `mkdir /${name} 2>/dev/null && echo made || echo refused`;
  const set = { set: ["mkdir", "mkdirat"], errno: "EPERM" };
  await using pod = await stage.script(make("one"), {
    app: {
      eventHandlers: [
        { name: "pre-start", exec: ["/bin/sh", "-c", make("two")] },
        { name: "post-stop", exec: ["/bin/sh", "-c", make("three")] },
      ],
      isolators: [{ name: "os/linux/seccomp-remove-set", value: set }],
    },
  });
  assertPrints(await pod.run(), "refused\nrefused\nrefused\n");
});

scenario("run has given up what it does not need, and the app has it all", async ({ script }) => {
  const show = (pid: string) => `grep CapPrm /proc/${pid}/status`;
  await using pod = await script(
    show("self"),
    preStart(`${show("$PPID")}; ${show("self")}`),
  );
  const { stdout, stderr } = await pod.run();
  const [ofRun, ofHandler, ofApp] = stdout.trim().split("\n");
  assertEquals(ofApp, ofHandler, stderr);
  assertNotEquals(ofRun, ofApp);
});
