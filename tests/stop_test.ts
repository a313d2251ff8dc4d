/** Tests that `stop` ends a pod, and nothing else. */

import { assert, assertEquals } from "@std/assert";
import { exists } from "../src/linux/stat.ts";
import { assertCode, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { eventually, isThere, sleep } from "./host.ts";
import { COMPILER, hostileProgram } from "./hostile_pods/attackers.ts";
import { beyondCover, COVER_ROOT, inJail, MAKE_JAIL, pivoted } from "./jail.ts";
import { startUp } from "./pod_processes.ts";
import { childrenOf, isAlive, readProcess } from "./procfs.ts";
import { REGROWING } from "./regrowing.ts";
import { EVERY_KERNEL, scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** An app that prints which signal it got. */
const TRAP = "trap 'echo terminated; exit 5' TERM; echo up; while :; do sleep .01; done";

/** An app that ends and leaves a process. */
const ORPHAN = "sleep 100 >/dev/null 2>&1 & echo $!";

/** An app that ends and leaves a process that has called chroot(2). */
const JAILED_ORPHAN = `${MAKE_JAIL}; ${inJail("sleep 100")} >/dev/null 2>&1 & echo $!`;

/** An app that ends and leaves a process in a chroot and in a mount namespace below the app's. */
const REMOTE_ORPHAN = `${MAKE_JAIL}; unshare -m ${
  inJail("sleep 100")
} >/dev/null 2>&1 & sleep .1; echo $!`;

/** Starts a process that belongs to no pod, but to the tests' own process group. */
function startBystander(
  argv: readonly string[] = ["sleep", "100"],
): { pid: number } & AsyncDisposable {
  const [program, ...args] = argv;
  const child = new Deno.Command(program!, { args, stdin: "null" }).spawn();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

async function startOrphan(pod: Pod): Promise<number> {
  const orphan = Number((await pod.run()).stdout);
  assert(isAlive(orphan));
  await eventually("its program", () => readProcess(orphan)?.argv.includes("sleep") ?? false);
  return orphan;
}

scenario("stop asks the app to terminate", { kernels: EVERY_KERNEL }, async ({ script }) => {
  await using pod = await script(TRAP);
  const program = await pod.start();
  await program.prints("up");
  assertQuiet(await pod.stop());
  const result = await program.result;
  assertEquals(result.stdout, "up\nterminated\n");
  assertCode(result, 5);
});

scenario("stop --force kills", async ({ script }) => {
  await using pod = await script("trap '' TERM; echo up; while :; do sleep .01; done");
  const program = await pod.start();
  await program.prints("up");
  assertQuiet(await pod.stop());
  assertEquals(program.ended, false);
  assertQuiet(await pod.stop({ force: true }));
  assertEquals((await program.result).signal, "SIGKILL");
});

scenario("stop --force kills all of the pod", async ({ script }) => {
  await using pod = await script("sleep 100 & echo $!; sleep 100");
  const program = await pod.start();
  await program.prints("\n");
  const child = Number(program.stdout);
  assertQuiet(await pod.stop({ force: true }));
  await program.result;
  await eventually("the child's end", () => !isAlive(child));
  assertEquals(await pod.isRunning(), false);
});

scenario("stop reaches an app that has called chroot", async ({ script }) => {
  await using pod = await script(`${MAKE_JAIL}; echo up; exec ${inJail("sleep 100")}`);
  const program = await pod.start();
  await eventually("its program", () => readProcess(program.pid)?.argv.includes("sleep") ?? false);
  assertQuiet(await pod.stop());
  assertEquals((await program.result).signal, "SIGTERM");
});

scenario("stop --force kills a child that has called chroot", async ({ script }) => {
  const text = `${MAKE_JAIL}; ${inJail("sleep 100")} & echo $!; exec sleep 100`;
  await using pod = await script(text);
  const program = await pod.start();
  await program.prints("\n");
  const child = Number(program.stdout);
  await eventually("its program", () => readProcess(child)?.argv.includes("/bin/busybox") ?? false);
  assertQuiet(await pod.stop({ force: true }));
  assertEquals((await program.result).signal, "SIGKILL");
  await eventually("the child's end", () => !isAlive(child));
  assertEquals(await pod.isRunning(), false);
});

for (const force of [false, true]) {
  const name = `stop${force ? " --force" : ""} reaches an app that has pivoted to another root`;
  scenario(name, async ({ script }) => {
    await using pod = await script(`${MAKE_JAIL}; echo up; exec ${pivoted("sleep 100")}`);
    const program = await pod.start();
    await eventually(
      "its program",
      () => readProcess(program.pid)?.argv.includes("sleep") ?? false,
    );
    assertQuiet(await pod.stop({ force }));
    assertEquals((await program.result).signal, force ? "SIGKILL" : "SIGTERM");
  });
}

scenario("stop --force kills all of a pod whose app has covered its root", async ({ script }) => {
  const inside = "/bin/busybox sleep 100 & echo $!; exec /bin/busybox sleep 100";
  await using pod = await script(`${MAKE_JAIL}; ${COVER_ROOT}; exec ${beyondCover(inside)}`);
  const program = await pod.start();
  await program.prints("\n");
  const child = Number(program.stdout);
  await eventually("its program", () => readProcess(child)?.argv[0] === "/bin/busybox");
  // As on a kernel that does not number mount namespaces.
  await editJson(`${pod.dir}/processes`, ({ processes }) => delete processes[0].mountsNumber);
  assertQuiet(await pod.stop({ force: true }));
  assertEquals((await program.result).signal, "SIGKILL");
  await eventually("the child's end", () => !isAlive(child));
  assertEquals(await pod.isRunning(), false);
});

scenario(
  "stop --force spares who is in a mount namespace that the app has joined",
  async (stage) => {
    await using bystander = startBystander(["unshare", "--mount", "sleep", "100"]);
    const own = Deno.readLinkSync("/proc/self/ns/mnt");
    const mounts = `/proc/${bystander.pid}/ns/mnt`;
    await eventually("its namespace", () => Deno.readLinkSync(mounts) !== own);
    await using pod = await stage.script(`echo up; exec nsenter --mount=${mounts} sleep 100`);
    const program = await pod.start();
    await eventually("the app in it", () => {
      return Deno.readLinkSync(`/proc/${program.pid}/ns/mnt`) === Deno.readLinkSync(mounts);
    });
    await editJson(`${pod.dir}/processes`, ({ processes }) => delete processes[0].mountsNumber);
    assertQuiet(await pod.stop({ force: true }));
    assertEquals((await program.result).signal, "SIGKILL");
    assert(isAlive(bystander.pid));
  },
);

scenario(
  "stop --force says that it cannot find a process which keeps the pod locked",
  async (stage) => {
    const text = `${MAKE_JAIL}; ${pivoted("sleep 100")} & echo $!; exec sleep 100`;
    await using pod = await stage.script(text);
    const program = await pod.start();
    await program.prints("\n");
    const child = Number(program.stdout);
    await eventually("its program", () => readProcess(child)?.argv.includes("sleep") ?? false);
    assertRefused(await pod.stop({ force: true }), "stop", /has left its app's root and mounts/);
    assertEquals((await program.result).signal, "SIGKILL");
    Deno.kill(child, "SIGKILL");
    await eventually("its end", async () => !await pod.isRunning());
  },
);

/** Covers the root of a mount namespace by a FUSE of another user's, which refuses root a look. */
const COVERED_BY_FUSE = "exec 3<>/dev/fuse; " +
  "mount -i -t fuse -o fd=3,rootmode=40000,user_id=1000,group_id=1000 none / && exec sleep 100";

scenario(
  "stop --force and gc do without a look at a root that somebody else's FUSE covers",
  { flavor: "either", needs: [{ what: "/dev/fuse", met: exists("/dev/fuse") }] },
  async ({ script }) => {
    const cover = ["unshare", "--mount", "sh", "-c", COVERED_BY_FUSE];
    await using bystander = startBystander(cover);
    await eventually("the cover", () => readProcess(bystander.pid)?.argv[0] === "sleep");
    await using pod = await script("echo up; exec sleep 100");
    const program = await startUp(pod);
    assertQuiet(await pod.stop({ force: true }));
    await program.result;
    assertQuiet(await pod.gc());
    assert(isAlive(bystander.pid));
  },
);

scenario("stop, stop --force and gc do without a look at the root of a stranger who blinds it", {
  flavor: "either",
  needs: [...COMPILER, { what: "/dev/fuse", met: exists("/dev/fuse") }],
}, async ({ dir, script }) => {
  await using bystander = startBystander([await hostileProgram(), "blind", dir]);
  await eventually("a blind root", () => !isThere(`/proc/${bystander.pid}/root`));
  for (const force of [false, true]) {
    await using pod = await script("trap 'exit 0' TERM; echo up; sleep 100 & wait");
    const program = await startUp(pod);
    assertQuiet(await pod.stop({ force }));
    await program.result;
    assertQuiet(await pod.gc());
  }
  assert(isAlive(bystander.pid));
});

scenario("stop spares a process that has the number of a recorded one", async ({ script }) => {
  await using bystander = startBystander();
  await using pod = await script("true");
  assertCode(await pod.run(), 0);
  await editJson(`${pod.dir}/processes`, ({ processes }) => processes[0].pid = bystander.pid);
  await Deno.writeTextFile(`${pod.dir}/pid`, `${bystander.pid}`);
  assertQuiet(await pod.stop({ force: true }));
  assert(isAlive(bystander.pid));
});

scenario("stop spares a process of before a reboot", async ({ script }) => {
  await using bystander = startBystander();
  await using pod = await script("true");
  assertCode(await pod.run(), 0);
  await editJson(`${pod.dir}/processes`, (record) => {
    // proc_pid_stat(5): the 22nd field, and the 2nd has no space here.
    const start = Deno.readTextFileSync(`/proc/${bystander.pid}/stat`).split(" ")[21];
    Object.assign(record.processes[0], { pid: bystander.pid, start });
    record.boot = crypto.randomUUID();
  });
  assertQuiet(await pod.stop({ force: true }));
  assert(isAlive(bystander.pid));
});

scenario("stop --force kills processes that have been stopped", async ({ script }) => {
  await using pod = await script("sleep 100 & echo $!; sleep 100");
  const program = await pod.start();
  await program.prints("\n");
  const child = Number(program.stdout);
  for (const pid of [program.pid, child]) Deno.kill(pid, "SIGSTOP");
  assertQuiet(await pod.stop({ force: true }));
  await program.result;
  await eventually("the child's end", () => !isAlive(child));
});

for (const force of [false, true]) {
  scenario(`stop${force ? " --force" : ""} finds a pod without its pid file`, async (stage) => {
    await using one = await stage.script("echo up; exec sleep 100");
    await using two = await stage.scripts({ one: "echo up; exec sleep 100", two: "sleep 100" });
    for (const pod of [one, two]) {
      const program = await pod.start();
      await program.prints("up");
      await Deno.remove(`${pod.dir}/pid`);
      assertQuiet(await pod.stop({ force }));
      await program.result;
      assertEquals(await pod.isRunning(), false);
    }
  });
}

scenario("stop --force ends a pod of several whose run has been stopped", async ({ scripts }) => {
  await using pod = await scripts({ one: "echo up; exec sleep 100", two: "sleep 100" });
  const program = await pod.start();
  await program.prints("up");
  const processes = childrenOf(program.pid).map(({ pid }) => pid);
  program.kill("SIGSTOP");
  assertQuiet(await pod.stop({ force: true }));
  await program.result;
  await eventually("the end of all", () => processes.every((pid) => !isAlive(pid)));
});

scenario("stop --force kills processes that start each other again", async ({ script }) => {
  await using pod = await script(REGROWING);
  const program = await pod.start();
  await program.prints("up");
  await sleep(200);
  assertQuiet(await pod.stop({ force: true }));
  await program.result;
  // Each process of the pod holds the pod's lock.
  await eventually("the end of all", async () => !await pod.isRunning());
});

for (const force of [false, true]) {
  const left = { "": ORPHAN, " in a jail": JAILED_ORPHAN, " in a remote jail": REMOTE_ORPHAN };
  for (const [where, text] of Object.entries(left)) {
    scenario(
      `stop${force ? " --force" : ""} reaches what the app left behind${where}`,
      async ({ script }) => {
        await using pod = await script(text);
        const orphan = await startOrphan(pod);
        assertQuiet(await pod.stop({ force }));
        await eventually("the orphan's end", () => !isAlive(orphan));
      },
    );
  }

  scenario(`stop${force ? " --force" : ""} spares a foreign process in pid`, async ({ script }) => {
    await using bystander = startBystander();
    await using pod = await script("true");
    assertCode(await pod.run(), 0);
    await Deno.writeTextFile(`${pod.dir}/pid`, `${bystander.pid}`);
    assertQuiet(await pod.stop({ force }));
    assert(isAlive(bystander.pid));
  });

  scenario(`stop${force ? " --force" : ""} spares the caller's group`, async ({ script }) => {
    await using bystander = startBystander();
    await using pod = await script(ORPHAN);
    const orphan = await startOrphan(pod);
    assertQuiet(await pod.stop({ force }));
    await eventually("the orphan's end", () => !isAlive(orphan));
    assert(isAlive(bystander.pid));
  });
}

scenario("stop spares a foreign process, and still ends the pod", async ({ script }) => {
  await using bystander = startBystander();
  await using pod = await script(ORPHAN);
  const orphan = await startOrphan(pod);
  await Deno.writeTextFile(`${pod.dir}/pid`, `${bystander.pid}`);
  await Deno.writeTextFile(`${pod.dir}/pgid`, `${bystander.pid}`);
  assertQuiet(await pod.stop());
  await eventually("the orphan's end", () => !isAlive(orphan));
  assert(isAlive(bystander.pid));
});

scenario("stop spares another pod", async ({ script }) => {
  await using one = await script(ORPHAN);
  const orphan = await startOrphan(one);
  await using other = await script("echo up; sleep 100");
  const program = await other.start();
  await program.prints("up");
  await Deno.copyFile(`${other.dir}/pid`, `${one.dir}/pid`);
  assertQuiet(await one.stop({ force: true }));
  await eventually("the orphan's end", () => !isAlive(orphan));
  assertEquals(program.ended, false);
});

scenario("stop ends a pod that was started in the background", async ({ script }) => {
  await using pod = await script("echo up; sleep 100");
  const program = await pod.start({ detached: true });
  await program.prints("up");
  assertQuiet(await pod.stop());
  assertEquals((await program.result).signal, "SIGTERM");
});

for (const force of [false, true]) {
  scenario(`a pod that has ended is stopped${force ? ", by force" : ""}`, async ({ script }) => {
    await using pod = await script("true");
    assertCode(await pod.run(), 0);
    assertQuiet(await pod.stop({ force }));
  });
}

scenario(
  "stop refuses a pod that has ended, and is locked by somebody else",
  async ({ script }) => {
    await using pod = await script("true");
    assertCode(await pod.run(), 0);
    using directory = await Deno.open(pod.dir);
    await directory.lock(true);
    assertRefused(await pod.stop(), "stop", /no process/);
  },
);

scenario("stop refuses a pod that never ran", async ({ script }) => {
  await using pod = await script("true");
  assertRefused(await pod.stop(), "stop", /no process/);
});

for (const pid of ["", "abc", "-1", "0", "99999999999", "1\n2", "0x10"]) {
  scenario(`stop refuses ${JSON.stringify(pid)} as a pid`, async ({ script }) => {
    await using pod = await script("true");
    await Deno.writeTextFile(`${pod.dir}/pid`, pid);
    assertRefused(await pod.stop(), "stop", /pid/);
  });
}

scenario("stop spares the machine's first process", async ({ script }) => {
  await using pod = await script("true");
  await Deno.writeTextFile(`${pod.dir}/pid`, "1");
  assertQuiet(await pod.stop());
});
