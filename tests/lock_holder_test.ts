/** Tests that a pod stays locked though its app may not have the lock. */

import { assert, assertEquals } from "@std/assert";
import { eventually } from "./host.ts";
import { childrenOf, isAlive } from "./procfs.ts";
import { scenario, type SimplePod } from "./scenario.ts";

/** Ways in which an app has less than the privileges of the host's root. */
const RESTRICTED: Record<string, SimplePod> = {
  "a user": { app: { user: "1000", group: "1000" } },
  "one capability": isolated("os/linux/capabilities-retain-set", { set: ["CAP_CHOWN"] }),
  "a filter": isolated("os/linux/seccomp-remove-set", { set: ["reboot"] }),
  "no new privileges": isolated("os/linux/no-new-privileges", true),
};

function isolated(name: string, value: unknown): SimplePod {
  return { app: { isolators: [{ name, value }] } };
}

for (const [what, options] of Object.entries(RESTRICTED)) {
  scenario(`an app with ${what} has no way to the pod's directory`, async ({ script }) => {
    const text = "for fd in /proc/self/fd/*; do readlink $fd; done; " +
      "ls /proc/self/fd/*/stage1 /proc/self/fd/*/../run 2>/dev/null; echo end";
    await using pod = await script(text, options);
    const { stdout } = await pod.run();
    assert(!stdout.includes("/pods/run"), stdout);
    assert(!stdout.includes("rootfs"), stdout);
    // The three streams, and the pipe that the app has instead of the lock.
    assertEquals(stdout.match(/^pipe:/gm)?.length, 4, stdout);
  });

  scenario(
    `the pod of an app with ${what} is locked for as long as it runs`,
    async ({ script }) => {
      await using pod = await script("echo up; exec sleep 100", options);
      const program = await pod.start();
      await program.prints("up");
      assertEquals(await pod.isRunning(), true);
      program.kill("SIGKILL");
      await program.result;
      await eventually("the end of the lock", async () => !await pod.isRunning());
    },
  );
}

const RESTRICTED_APP = RESTRICTED["one capability"]!;

scenario("a child that outlives its app keeps the pod locked", async ({ script }) => {
  const text = "sleep 1000 </dev/null >/dev/null 2>&1 & echo $!; exec sleep .2";
  await using pod = await script(text, RESTRICTED_APP);
  const child = Number((await pod.run()).stdout);
  assertEquals([isAlive(child), await pod.isRunning()], [true, true]);
  Deno.kill(child, "SIGKILL");
  await eventually("the end of the lock", async () => !await pod.isRunning());
});

scenario("who holds the lock is no child of the app's", async ({ script }) => {
  await using pod = await script("echo up; exec sleep 100", RESTRICTED_APP);
  const program = await pod.start();
  await program.prints("up");
  assertEquals(childrenOf(program.pid), []);
});

scenario("run leaves nobody who holds the lock when it fails", async ({ pod: prepare }) => {
  const app = { ...RESTRICTED_APP.app, exec: ["/bin/odd"] };
  await using pod = await prepare({ app });
  await Deno.writeTextFile(`${pod.appRootfs()}/bin/odd`, "\x01\x02", { mode: 0o755 });
  const { code, stderr } = await pod.run();
  assertEquals({ code, stderr }, {
    code: 254,
    stderr: 'run: apps[0].app.exec[0]: "/bin/odd" is neither an ELF program nor a script that ' +
      'begins with "#!": ENOEXEC, not a program that this machine can run\n',
  });
  await eventually("the end of the lock", async () => !await pod.isRunning());
});
