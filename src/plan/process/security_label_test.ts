import { assertEquals, assertThrows } from "@std/assert";
import type { Isolators } from "../../appc/isolators.ts";
import { needSecurityModules, planLabels } from "./security_label.ts";

const NONE: Isolators = { unknown: [] };
const NEITHER = { selinux: false, apparmor: false };
const BOTH = { selinux: true, apparmor: true };

const CONTEXT: Isolators = {
  unknown: [],
  selinuxContext: { field: "app", user: "u", role: "r", type: "t", level: "s0:c1" },
};
const PROFILE: Isolators = {
  unknown: [],
  apparmorProfile: { field: "pod", profile: "rkt-default" },
};

Deno.test("a context and a profile are asked for at the next exec", () => {
  assertEquals(planLabels(CONTEXT, PROFILE, BOTH), {
    labels: [
      {
        path: "thread-self/attr/exec",
        text: "u:r:t:s0:c1",
        label: "u:r:t:s0:c1",
        isolator: "app (os/linux/selinux-context)",
      },
      {
        path: "thread-self/attr/apparmor/exec",
        text: "exec rkt-default",
        label: "rkt-default",
        isolator: "pod (os/linux/apparmor-profile)",
      },
    ],
    notes: [],
  });
});

Deno.test("the app's label goes over the pod's", () => {
  const app: Isolators = { unknown: [], apparmorProfile: { field: "app", profile: "own" } };
  const { labels } = planLabels(app, PROFILE, BOTH);
  assertEquals(labels.map(({ text }) => text), ["exec own"]);
});

Deno.test("a host without SELinux ignores contexts, and says so", () => {
  assertEquals(planLabels(CONTEXT, NONE, NEITHER), {
    labels: [],
    notes: ["app (os/linux/selinux-context): ignored: this host has no SELinux"],
  });
});

Deno.test("a host without AppArmor cannot have the profile, so the pod is refused", () => {
  assertThrows(
    () => planLabels(NONE, PROFILE, NEITHER),
    Error,
    "pod (os/linux/apparmor-profile): rkt-default is not available",
  );
});

Deno.test("a host is looked at for the modules that isolators name alone", () => {
  assertEquals(needSecurityModules([NONE, NONE]), NEITHER);
  assertEquals(needSecurityModules([NONE, PROFILE]), { selinux: false, apparmor: true });
  assertEquals(needSecurityModules([CONTEXT, PROFILE]), BOTH);
});
