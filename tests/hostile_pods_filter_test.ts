/**
 * Tests of hostile pods: system calls. Filters refuse calls that lead out of the pod or to parts of
 * the kernel that no pod needs.
 */

import { assertEquals } from "@std/assert";
import { assertCode } from "./expect.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { AS_USER, BY_DEFAULT, WITH_PRIVATE_USERS, withCapability } from "./hostile_pods/stances.ts";
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
