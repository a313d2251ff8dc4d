import { assertEquals } from "@std/assert";
import { planPrivileges, type PrivilegeOptions } from "../plan/process/privileges.ts";
import { needsNoNewPrivileges } from "./privileges.ts";

const HOST: PrivilegeOptions = {
  disableCapabilities: false,
  disableSeccomp: false,
  restrictByDefault: false,
};
const FIELD = "apps[0].app.isolators[1]";

Deno.test("a user other than root who has a filter can get no new privileges", () => {
  const plain = planPrivileges({}, HOST);
  const filtered = planPrivileges(
    { seccomp: { field: FIELD, mode: "remove", set: ["reboot"] } },
    HOST,
  );
  const wanted = planPrivileges({ noNewPrivileges: { field: FIELD, value: true } }, HOST);
  assertEquals([0, 1000].map((uid) => needsNoNewPrivileges(plain, uid)), [false, false]);
  assertEquals([0, 1000].map((uid) => needsNoNewPrivileges(filtered, uid)), [false, true]);
  assertEquals([0, 1000].map((uid) => needsNoNewPrivileges(wanted, uid)), [true, true]);
});
