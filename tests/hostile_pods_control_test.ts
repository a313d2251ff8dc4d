/**
 * Tests of hostile pods and users: the socket by which a pod is changed answers nobody but the
 * host's root, and whoever holds it up holds nobody up for long.
 */

import "../src/linux/libc_testing.ts";
import { assertEquals, assertMatch } from "@std/assert";
import type { Fd } from "../src/linux/fd.ts";
import { connectToListener } from "../src/linux/message_socket.ts";
import { assertCode, assertQuiet } from "./expect.ts";
import { eventually, execute, sleep } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage, hostileProgram } from "./hostile_pods/attackers.ts";
import {
  AS_USER,
  BY_DEFAULT,
  type Stance,
  WITH_PRIVATE_USERS,
  withCapability,
} from "./hostile_pods/stances.ts";
import { isAlive, readProcesses } from "./procfs.ts";
import { Sandbox, STAY } from "./sandboxes.ts";
import { scenario } from "./scenario.ts";

/** What an attacker asks for; the detector looks whether the other app goes on. */
const REQUEST = JSON.stringify({ do: "remove", app: "other" });

const STANCES: Stance[] = [
  BY_DEFAULT,
  AS_USER,
  WITH_PRIVATE_USERS,
  withCapability("CAP_SYS_PTRACE"),
  withCapability("CAP_DAC_READ_SEARCH"),
  withCapability("CAP_NET_ADMIN"),
  { ...AS_USER, flavor: "host", what: "as a user of the host" },
];

for (const { what, app, flavor, privateUsers } of STANCES) {
  scenario(
    `an app does not find the socket by which its pod is changed, ${what}`,
    { flavor, needs: COMPILER },
    async (stage) => {
      await using sandbox = await Sandbox.open(stage, privateUsers ? { privateUsers } : {});
      await sandbox.launch("other", STAY);
      await sandbox.prints("other");
      const other = sandbox.processOf("other");
      const exec = [HOSTILE, "call_control", sandbox.pod.dir, REQUEST, "4"];
      const image = await hostileImage(stage);
      await sandbox.launch("app", "", { image, app: { ...app, exec } });
      // What begins meanwhile shows no way, either.
      for (let i = 0; i < 3; i++) {
        await sandbox.launch("more", STAY);
        assertCode(await sandbox.pod.enter("other", ["/bin/true"]), 0);
        await sandbox.remove("more");
      }
      await sandbox.prints("app", "tried\n");
      assertEquals(sandbox.log("app"), "tried\n");
      assertEquals(isAlive(other), true);
      assertEquals(sandbox.pod.apps.status("other"), { state: "running" });
      await sandbox.close();
    },
  );
}

/** Lets everyone through the directories above a file. */
async function openUp(path: string): Promise<void> {
  const temporary = Deno.env.get("TMPDIR")!;
  for (let up = path; up.startsWith(temporary); up = up.slice(0, up.lastIndexOf("/"))) {
    await Deno.chmod(up, 0o755);
  }
}

scenario(
  "a user of the host who is not root is refused, also where the socket is open to all",
  { flavor: "either", needs: COMPILER },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    await sandbox.launch("other", STAY);
    await sandbox.prints("other");
    const { dir } = sandbox.pod;
    const program = await hostileProgram();
    await openUp(program.slice(0, program.lastIndexOf("/")));
    await openUp(dir);
    const call = async () => {
      const user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
      const { stdout } = await execute([...user, program, "call_control", dir, REQUEST]);
      return stdout.split("\n")[0]!;
    };
    assertEquals(await call(), "Permission denied");
    await Deno.chmod(`${dir}/control`, 0o666);
    const answer = await call();
    assertMatch(answer, /^reached \S+: ({"error":.*})?$/);
    await sleep(100);
    assertEquals(sandbox.pod.apps.status("other"), { state: "running" });
    await sandbox.close();
  },
);

scenario(
  "root of a pod with users of its own is refused, who was given the pod's directory",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage, { privateUsers: "200000:65536" });
    await sandbox.launch("other", STAY);
    await sandbox.prints("other");
    await Deno.chmod(sandbox.pod.dir, 0o755);
    await Deno.chmod(`${sandbox.pod.dir}/control`, 0o666);
    const exec = [HOSTILE, "call_control", "/pod", REQUEST];
    const image = await hostileImage(stage);
    await sandbox.launch("app", "", {
      image,
      app: { exec },
      mounts: [{
        volume: "pod",
        path: "/pod",
        appVolume: { name: "pod", kind: "host", source: sandbox.pod.dir },
      }],
    });
    await sandbox.prints("app", "tried\n");
    assertMatch(sandbox.log("app"), /^reached \/pod: ({"error":.*})?\n/);
    assertEquals(sandbox.pod.apps.status("other"), { state: "running" });
    await sandbox.close();
  },
);

/** Counts the descriptors of a process. */
function descriptorsOf(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

scenario(
  "who connects as often as possible and says nothing keeps nobody from the pod for long",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    await sandbox.launch("other", STAY);
    await sandbox.prints("other");
    assertQuiet(await sandbox.add("app", STAY));
    const before = descriptorsOf(sandbox.run.pid);
    const clients: Fd[] = [];
    // The address of a socket has room for a short path only.
    const short = `${stage.dir}/pod`;
    await Deno.symlink(sandbox.pod.dir, short);
    try {
      for (let i = 0; i < 300; i++) {
        try {
          clients.push(connectToListener(`${short}/control`, 1));
        } catch {
          // The backlog is full for the moment.
          await sleep(5);
        }
      }
      const begun = performance.now();
      const result = await sandbox.pod.apps.start("app");
      assertEquals(performance.now() - begun < 20_000, true);
      if (result.code !== 0) assertMatch(result.stderr, /^app-start: [^\n]+\n$/);
      assertEquals(sandbox.pod.apps.status("other"), { state: "running" });
      assertCode(await sandbox.pod.enter("other", ["/bin/true"]), 0);
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
    await eventually("that run has closed all", () => {
      const added = sandbox.processesOf("app").length > 0 ? 10 : 0;
      return descriptorsOf(sandbox.run.pid) <= before + added;
    });
    if (sandbox.processesOf("app").length > 0) await sandbox.stop("app");
    await sandbox.start("app");
    await sandbox.prints("app");
    await sandbox.close();
    assertEquals(readProcesses().some(({ pid }) => pid === sandbox.run.pid), false);
  },
);
