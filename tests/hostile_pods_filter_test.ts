/**
 * Tests of hostile pods: system calls. Filters refuse calls that lead out of the pod or to parts of
 * the kernel that no pod needs.
 */

import { assertEquals } from "@std/assert";
import { COMPAT_CALLS } from "./compat_programs.ts";
import { assertCode } from "./expect.ts";
import { eventually } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { spoilsOf } from "./hostile_pods/bait.ts";
import {
  AS_USER,
  BY_DEFAULT,
  RESTRICTED,
  WITH_PRIVATE_USERS,
  withCapability,
} from "./hostile_pods/stances.ts";
import { NAMESPACES, processOf, sharedNamespaces, startUp } from "./pod_processes.ts";
import { childrenOf, readStatus } from "./procfs.ts";
import { scenario } from "./scenario.ts";

/** Calls of harmless apps, which are allowed. */
const ALLOWED = [
  "socket_unix",
  "socket_inet",
  "personality_ask",
  "personality_linux",
  "personality_linux32",
  "personality_uname26",
  "personality_uname26_linux32",
  "thread",
  "forks",
];

/** Errors of refused calls other than EPERM. ENOSYS makes libraries do without the call. */
const OTHER_ERRORS: Record<string, string> = { clone3_user: "ENOSYS", clone3_plain: "ENOSYS" };

/**
 * The possible refusals of a filter: an error that says that the call is not allowed or does not
 * exist, or the end of a process that makes an unlisted call.
 */
const REFUSALS = ["EPERM", "EACCES", "ENOSYS", "EAFNOSUPPORT", "killed"];

const STANCES = [
  BY_DEFAULT,
  AS_USER,
  WITH_PRIVATE_USERS,
  ...["CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYS_CHROOT"]
    .map(withCapability),
];

for (const stance of STANCES) {
  scenario(`calls that lead out of the pod are refused, ${stance.what}`, {
    flavor: "isolated",
    needs: COMPILER,
  }, async (stage) => {
    const image = await hostileImage(stage);
    const { app, privateUsers } = stance;
    await using pod = await stage.pod({
      image,
      app: { ...app, exec: [HOSTILE, "calls"] },
      ...privateUsers ? { privateUsers } : {},
    });
    const result = await pod.run();
    assertCode(result, 0);
    const outcomes = result.stdout.trim().split("\n").map((line) => line.split(" ")) as [
      string,
      string,
    ][];
    const expected = (name: string, outcome: string) => {
      if (ALLOWED.includes(name)) return "ok";
      return OTHER_ERRORS[name] ?? (REFUSALS.includes(outcome) ? outcome : "a refusal");
    };
    assertEquals(
      Object.fromEntries(outcomes),
      Object.fromEntries(outcomes.map(([name, outcome]) => [name, expected(name, outcome)])),
    );
  });
}

for (const stance of [...STANCES, RESTRICTED]) {
  const { flavor, app, privateUsers } = stance;
  scenario(`32-bit calls lead no further than others, ${stance.what}`, {
    flavor,
    needs: [...COMPILER, ...COMPAT_CALLS],
  }, async (stage) => {
    const image = await hostileImage(stage);
    await using pod = await stage.pod({
      image,
      app: { ...app, exec: [HOSTILE, "calls_32"] },
      ...privateUsers ? { privateUsers } : {},
    });
    const program = await startUp(pod);
    const attacker = flavor === "host" ? program.pid : processOf(program);
    assertEquals(descendantsOf(attacker).flatMap((pid) => gainsOf(pid, attacker)), []);
    assertEquals(spoilsOf(pod, "typed"), undefined, "it typed into a terminal");
    const keys = await Deno.readTextFile("/proc/keys");
    assertEquals(keys.includes("hostile-32"), false, "it has made a key");
    program.kill("SIGKILL");
    await eventually("the end of the lock", async () => !await pod.isRunning());
  });
}

/** Lists a process's children and theirs, to the last. */
function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child.pid, ...descendantsOf(child.pid)]);
}

/** Lists what a process of the attacker's has that the attacker itself was not given. */
function gainsOf(pid: number, attacker: number): string[] {
  const shared = sharedNamespaces(pid, attacker);
  const descriptors = [...Deno.readDirSync(`/proc/${pid}/fd`)]
    .map(({ name }) => Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
  const personality = Deno.readTextFileSync(`/proc/${pid}/personality`).trim();
  return [
    ...NAMESPACES.filter((kind) => !shared.includes(kind)),
    ...descriptors.filter((target) => /^(socket|anon_inode):/.test(target)),
    ...(Number(`0x${personality}`) === 0 ? [] : [`personality ${personality}`]),
    ...(readStatus(pid)["TracerPid"] === "0" ? [] : ["a process that it traces"]),
  ];
}
