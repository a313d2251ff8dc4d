/**
 * Tests of what a service manager is told of a pod, and of apps that tell when they are ready.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertRefused, editJson } from "./expect.ts";
import { COMPILER } from "./filter_probe.ts";
import { eventually, sleep } from "./host.ts";
import { HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { scenario } from "./scenario.ts";
import { addService, SERVICE, serviceImage, ServiceManager } from "./service_manager.ts";
import type { Pod } from "./stage0.ts";

/** Returns a script that tells, and goes on. */
function telling(...messages: string[]): string {
  return `${SERVICE} tell ${messages.map((text) => `'${text}'`).join(" ")}`;
}

const STAY = "echo up; exec sleep 100";

async function isMarkedReady(pod: Pod): Promise<boolean> {
  try {
    return await Deno.readLink(`${pod.stage1Rootfs}/rkt/supervisor-status`) === "ready";
  } catch {
    return false;
  }
}

scenario(
  "a service manager is told by run itself that the pod is ready, and the app knows nothing of it",
  { flavor: "either" },
  async ({ dir, script }) => {
    using manager = new ServiceManager(`${dir}/manager`);
    await using pod = await script(`env | grep -c NOTIFY; ls -A / | grep notify; ${STAY}`);
    const run = await pod.start({ env: { NOTIFY_SOCKET: manager.address } });
    assertEquals((await manager.hears("READY=1")).pid, run.pid);
    assert(await isMarkedReady(pod));
    await run.prints("up");
    assertEquals(run.stdout.replace(/^.*: /gm, ""), "0\nup\n");
    await pod.stop();
    await run.result;
    assertEquals(run.stderr, "");
  },
);

scenario(
  "a service manager is told that a pod is about to end",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    using manager = new ServiceManager(`${dir}/manager`);
    await using pod = await script("trap 'sleep .5; exit 0' TERM; while :; do sleep .02; done");
    const run = await pod.start({ env: { NOTIFY_SOCKET: manager.address } });
    await pod.stop();
    assertEquals((await manager.hears("STOPPING=1")).pid, run.pid);
    assertCode(await run.result, 0);
    assertEquals(manager.listen().map(({ text }) => text), ["READY=1", "STOPPING=1"]);
  },
);

scenario(
  "a service manager with an abstract address is told",
  { flavor: "either" },
  async ({ script }) => {
    const name = `@volo-${crypto.randomUUID()}`;
    using manager = new ServiceManager(name);
    await using pod = await script("true");
    assertCode(await pod.run({ env: { NOTIFY_SOCKET: name } }), 0);
    assertEquals(manager.listen()[0]?.text, "READY=1");
  },
);

scenario(
  "a pod runs although nobody can be told of it, and that is said",
  { flavor: "either" },
  async ({ dir, script }) => {
    for (const [address, why] of [[`${dir}/nobody`, "ENOENT"], ["vsock:2:1", "neither a path"]]) {
      await using pod = await script("echo ran");
      const { code, stdout, stderr } = await pod.run({ env: { NOTIFY_SOCKET: address! } });
      assertEquals([code, stdout.includes("ran")], [0, true]);
      assertMatch(stderr, new RegExp(`^run: NOTIFY_SOCKET: [^\n]*${why}[^\n]*\n$`));
    }
  },
);

scenario("run becomes an app that tells the service manager itself", { needs: COMPILER }, async (
  stage,
) => {
  using manager = new ServiceManager(`${stage.dir}/manager`);
  const image = await serviceImage(stage);
  const text = `exec ${SERVICE} tell READY=1`;
  for (const user of ["0", "1000"]) {
    await using pod = await stage.script(text, { image, app: { user } });
    const run = await pod.launch({ env: { NOTIFY_SOCKET: manager.address } });
    assertEquals(await manager.hears("READY=1"), { text: "READY=1", pid: run.pid });
    manager.told.length = 0;
    run.kill("SIGKILL");
    await run.result;
  }
});

scenario(
  "an app that tells, but has nobody to tell, has no address",
  { needs: COMPILER },
  async (stage) => {
    await using pod = await stage.script(telling("READY=1"), { image: await serviceImage(stage) });
    assertEquals((await pod.run()).stdout, "nobody to tell\n");
  },
);

/** The pod of an isolated app that tells, or of two in the host's namespaces. */
async function podOfTeller(
  { stage, flavor, text, privateUsers, user = "0" }: {
    stage: Parameters<typeof serviceImage>[0];
    flavor: "host" | "isolated";
    text: string;
    privateUsers?: string;
    user?: string;
  },
): Promise<Pod> {
  const image = await serviceImage(stage);
  const app = { exec: ["/bin/sh", "-c", text], user };
  const teller = { image, name: "teller", app };
  const other = {
    image: await stage.image({}),
    name: "other",
    app: { exec: ["/bin/sleep", "100"] },
  };
  return await stage.stage0.prepare({
    apps: flavor === "host" ? [teller, other] : [teller],
    ...(privateUsers === undefined ? {} : { privateUsers, overlay: false }),
  });
}

for (const flavor of ["host", "isolated"] as const) {
  scenario(
    "a pod is ready when its app has told so, and nothing else that the app tells is passed on",
    { flavor, needs: COMPILER },
    async (stage) => {
      using manager = new ServiceManager(`${stage.dir}/manager`);
      const messages = telling(
        "MAINPID=1\nSTATUS=almost\nSTOPPING=1\nERRNO=5",
        "READY=0\nFDSTORE=1",
      );
      const text = `${messages}; until [ -e /go ]; do sleep .1; done; ${
        telling("READY=1")
      }; ${STAY}`;
      await using pod = await podOfTeller({ stage, flavor, text });
      const run = await pod.start({ env: { NOTIFY_SOCKET: manager.address } });
      const status = flavor === "host" ? "STATUS=teller: almost" : "STATUS=almost";
      assertEquals((await manager.hears(status)).pid, run.pid);
      assert(!await isMarkedReady(pod));
      await Deno.writeTextFile(`${pod.appRootfs("teller")}/go`, "");
      assertEquals((await manager.hears("READY=1")).pid, run.pid);
      await eventually("the mark of a ready pod", () => isMarkedReady(pod));
      assertEquals(manager.told.map(({ text }) => text), [status, "READY=1"]);
      await pod.stop();
      await run.result;
      assertEquals(run.stderr, "");
    },
  );
}

scenario(
  "also without a service manager a pod is marked as ready when its app has told so",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const text = `${telling("STATUS=almost")}; echo told; read go; ${telling("READY=1")}; ${STAY}`;
    await using pod = await podOfTeller({
      stage,
      flavor: "isolated",
      text: text.replace("read go", "sleep 1"),
    });
    const run = await pod.start();
    await run.prints("told");
    assert(!await isMarkedReady(pod));
    await eventually("the mark of a ready pod", () => isMarkedReady(pod));
  },
);

scenario(
  "an app with users of the pod's own tells, whoever it runs as",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    using manager = new ServiceManager(`${stage.dir}/manager`);
    const text = `${telling("READY=1")}; ${STAY}`;
    const options = { stage, flavor: "isolated", text, user: "1000" } as const;
    await using pod = await podOfTeller({ ...options, privateUsers: "1000000:65536" });
    const run = await pod.start({ env: { NOTIFY_SOCKET: manager.address } });
    assertEquals((await manager.hears("READY=1")).pid, run.pid);
    assert(await isMarkedReady(pod));
  },
);

scenario(
  "handlers and commands of enter have no address, and a command counts as the app",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    using manager = new ServiceManager(`${stage.dir}/manager`);
    const image = await serviceImage(stage);
    const handler = { name: "pre-start", exec: ["/bin/sh", "-c", "env >/before"] };
    const app = { eventHandlers: [handler] };
    await using pod = await stage.script(STAY, { image, app });
    const run = await pod.start({ env: { NOTIFY_SOCKET: manager.address } });
    await run.prints("up");
    assertEquals((await Deno.readTextFile(`${pod.appRootfs()}/before`)).includes("NOTIFY"), false);
    const enter = (command: string) => pod.enter("app", ["/bin/sh", "-c", command]);
    assertPrints(await enter("env | grep -c NOTIFY || true"), "0\n");
    assertCode(await enter(`NOTIFY_SOCKET=/.notify ${SERVICE} tell READY=1`), 0);
    await manager.hears("READY=1");
  },
);

scenario(
  "another app of the pod cannot tell for an app, and a flood reaches nobody and delays nobody",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    using manager = new ServiceManager(`${stage.dir}/manager`);
    const image = await serviceImage(stage);
    // It finds the process of the other app, whose root has the other socket.
    const attack = `
      for process in /proc/[0-9]*; do
        NOTIFY_SOCKET=$process/root/.notify ${SERVICE} tell "READY=1\nSTATUS=forged" | grep -v send
      done; echo attacked; ${telling("READY=1")}; exec ${SERVICE} flood 100000`;
    const apps = { victim: "exec sleep 100", attacker: attack };
    await using pod = await stage.stage0.prepare({
      apps: Object.entries(apps).map(([name, text]) => ({
        image,
        name,
        app: { exec: ["/bin/sh", "-c", text] },
      })),
    });
    const env = { NOTIFY_SOCKET: manager.address };
    const run = await pod.start({ env, flags: { debug: true } });
    await run.prints("attacked");
    // The way is there, so the test can fail.
    assertMatch(run.stderr, /^run: victim: not heard: process \d+, which is not the app's/m);
    await sleep(2000);
    const heard = manager.listen().map(({ text }) => text);
    assert(heard.length > 0 && heard.length < 40, `${heard.length} messages`);
    assert(heard.every((text) => text.startsWith("STATUS=attacker: ")), heard.join("\n"));
    assert(!await isMarkedReady(pod));
    const asked = performance.now();
    await pod.stop();
    await run.result;
    assert(performance.now() - asked < 10_000);
  },
);

scenario("an annotation that says neither yes nor no is refused", { flavor: "either" }, async (
  { script },
) => {
  await using pod = await script("true");
  await editJson(`${pod.dir}/appsinfo/app/manifest`, (manifest) => {
    manifest.annotations = [{ name: "appc.io/executor/supports-systemd-notify", value: "yes" }];
  });
  assertRefused(await pod.run(), "run", /image "example.com\/app": annotations\[0\]\.value: "yes"/);
});

scenario("who tells by a connection that lingers keeps run from nothing", {
  flavor: "isolated",
  needs: COMPILER,
}, async (stage) => {
  const image = await hostileImage(stage);
  await addService(image);
  await using pod = await stage.stage0.prepare({
    apps: [
      { image, name: "bad", app: { exec: [HOSTILE, "linger", "sent", "/.notify"] } },
      {
        image,
        name: "good",
        app: { exec: ["/bin/sh", "-c", "while sleep 0.2; do echo here; done"] },
      },
    ],
  });
  const run = await pod.start({ flags: { debug: true } });
  await run.prints("attacked");
  const lines = run.stdout.split("here").length;
  await eventually("more of the other app", () => run.stdout.split("here").length > lines + 5);
  assertMatch(run.stderr, /^run: bad: not heard any more: a message has files attached$/m);
  const asked = performance.now();
  await pod.stop({ force: true });
  await run.result;
  assert(performance.now() - asked < 10_000);
});
