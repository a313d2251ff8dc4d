/**
 * Hostile pods: system calls. What leads out of the pod, or to parts of the kernel that no pod
 * needs, is refused.
 */

import { assertEquals } from "@std/assert";
import { assertCode } from "./expect.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { AS_USER, BY_DEFAULT, WITH_PRIVATE_USERS, withCapability } from "./hostile_pods/stances.ts";
import { scenario } from "./scenario.ts";

/** What an app does that means no harm. */
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

/**
 * The errors of calls that are refused, where not EPERM: libraries do without a call that is not
 * there.
 */
const OTHER_ERRORS: Record<string, string> = { clone3_user: "ENOSYS", clone3_plain: "ENOSYS" };

/**
 * What a filter may answer: that it is not allowed, or not there; or it ends who makes a call that
 * it does not list.
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
