import { assertEquals, assertThrows } from "@std/assert";
import { type Isolators, readIsolators } from "./isolators.ts";

const FIELD = "apps[0].app.isolators";
const PLACE = `${FIELD}[0]`;

/** Isolators that are right: name, value, and what is read. */
const RIGHT: [string, unknown, Partial<Isolators>][] = [
  ["os/linux/capabilities-retain-set", { set: ["CAP_CHOWN"] }, {
    capabilities: { field: PLACE, mode: "retain", set: ["CAP_CHOWN"] },
  }],
  ["os/linux/capabilities-remove-set", { set: ["CAP_NET_RAW"] }, {
    capabilities: { field: PLACE, mode: "remove", set: ["CAP_NET_RAW"] },
  }],
  ["os/linux/seccomp-retain-set", { set: ["@appc.io/all"], errno: "" }, {
    seccomp: { field: PLACE, mode: "retain", set: ["@appc.io/all"] },
  }],
  ["os/linux/seccomp-remove-set", { set: ["reboot"], errno: "ENOTSUP" }, {
    seccomp: { field: PLACE, mode: "remove", set: ["reboot"], errno: "ENOTSUP" },
  }],
  ["os/linux/no-new-privileges", true, { noNewPrivileges: { field: PLACE, value: true } }],
  ["os/linux/oom-score-adj", -1000, { oomScoreAdj: { field: PLACE, value: -1000 } }],
  ["os/linux/cpu-shares", 262144, { cpuShares: { field: PLACE, value: 262144 } }],
  ["os/linux/selinux-context", { user: "u", role: "r", type: "t", level: "s0:c1" }, {
    selinuxContext: { field: PLACE, user: "u", role: "r", type: "t", level: "s0:c1" },
  }],
  ["os/linux/apparmor-profile", { profile: "rkt-default" }, {
    apparmorProfile: { field: PLACE, profile: "rkt-default" },
  }],
  ["os/unix/sysctl", { "net.ipv4.tcp_mtu_probing": "1" }, {
    sysctl: { field: PLACE, entries: { "net.ipv4.tcp_mtu_probing": "1" } },
  }],
  ["resource/memory", { request: "1G", limit: "2Gi" }, {
    memory: { field: PLACE, request: 1e9, limit: 2 ** 31 },
  }],
  ["resource/memory", { default: false }, { memory: { field: PLACE } }],
  ["resource/cpu", { request: 0.25, limit: "500m" }, {
    cpu: { field: PLACE, request: 250, limit: 500 },
  }],
  ["resource/block-bandwidth", { default: true, limit: "2M" }, {
    blockBandwidth: { field: PLACE, default: true, limit: 2e6 },
  }],
  ["resource/block-iops", { default: true, limit: "1000" }, {
    blockIops: { field: PLACE, default: true, limit: 1000 },
  }],
  ["resource/network-bandwidth", { default: true }, {
    networkBandwidth: { field: PLACE, default: true },
  }],
  ["example.com/unheard-of", undefined, {
    unknown: [{ field: PLACE, name: "example.com/unheard-of" }],
  }],
  ["constructor", {}, { unknown: [{ field: PLACE, name: "constructor" }] }],
];

for (const [name, value, expected] of RIGHT) {
  Deno.test(`${name} with ${JSON.stringify(value)} is read`, () => {
    assertEquals(readIsolators([{ name, value }], FIELD), { unknown: [], ...expected });
  });
}

const CONTEXT = { user: "u", role: "r", type: "t", level: "s0" };

/** Isolators that are wrong: name, value, and what the error says after the isolator's path. */
const WRONG: [string, unknown, string][] = [
  ["os/linux/capabilities-retain-set", undefined, ".value: expected object, received nothing"],
  ["os/linux/capabilities-retain-set", {}, ".value.set: expected array, received nothing"],
  ["os/linux/capabilities-remove-set", { set: [] }, ".value.set: must not be empty"],
  ["os/linux/capabilities-retain-set", { set: ["CAP_KILL", "kill"] }, ".value.set[1]: must be a"],
  ["os/linux/seccomp-retain-set", { set: [] }, ".value.set: must not be empty"],
  ["os/linux/seccomp-retain-set", { set: ["read", 1] }, ".value.set[1]: expected string"],
  ["os/linux/seccomp-remove-set", { set: ["read"], errno: "eperm" }, ".value.errno: must be an"],
  ["os/linux/seccomp-remove-set", { set: ["read"], errno: "XPERM" }, ".value.errno: must be an"],
  ["os/linux/no-new-privileges", "true", ".value: expected boolean, received string"],
  ["os/linux/oom-score-adj", 1001, ".value: must be a whole number from -1000 to 1000"],
  ["os/linux/oom-score-adj", -1001, ".value: must be a whole number"],
  ["os/linux/cpu-shares", 1, ".value: must be a whole number from 2 to 262144"],
  ["os/linux/cpu-shares", 1.5, ".value: must be a whole number"],
  ["os/linux/selinux-context", { ...CONTEXT, user: "" }, ".value.user: must be a part"],
  ["os/linux/selinux-context", { ...CONTEXT, role: "a:b" }, ".value.role: must be a part"],
  ["os/linux/selinux-context", { ...CONTEXT, type: 1 }, ".value.type: expected string"],
  ["os/linux/selinux-context", { ...CONTEXT, level: "" }, ".value.level: must not be empty"],
  ["os/linux/apparmor-profile", { profile: "" }, ".value.profile: must not be empty"],
  ["os/unix/sysctl", [], ".value: expected object"],
  ["os/unix/sysctl", { "net.x": 1 }, ".value.net.x: expected string"],
  ["resource/memory", { default: true }, ".value.default: must be false"],
  [
    "resource/memory",
    { limit: "1K" },
    '.value.limit: "1K" is not a quantity such as 64Ki, 16Mi or 100M',
  ],
  ["resource/memory", { limit: "-1" }, ".value.limit: must not be negative"],
  ["resource/cpu", { request: {} }, ".value.request: expected a quantity"],
  ["resource/block-iops", { limit: "1" }, ".value.default: must be true"],
  ["resource/network-bandwidth", { default: true, request: "1" }, ".value.request: cannot be"],
];

for (const [name, value, message] of WRONG) {
  Deno.test(`${name} with ${JSON.stringify(value)} is refused`, () => {
    assertThrows(() => readIsolators([{ name, value }], FIELD), Error, `${PLACE}${message}`);
  });
}

/** Pairs that exclude each other. */
const EXCLUSIVE: [string, string, unknown][] = [
  ["os/linux/capabilities-retain-set", "os/linux/capabilities-remove-set", { set: ["CAP_KILL"] }],
  ["os/linux/seccomp-retain-set", "os/linux/seccomp-remove-set", { set: ["read"] }],
  ["os/linux/seccomp-retain-set", "os/linux/seccomp-retain-set", { set: ["read"] }],
  ["os/linux/oom-score-adj", "os/linux/oom-score-adj", 0],
  ["os/linux/cpu-shares", "os/linux/cpu-shares", 2],
  ["os/linux/selinux-context", "os/linux/selinux-context", CONTEXT],
  ["os/linux/apparmor-profile", "os/linux/apparmor-profile", { profile: "a" }],
  ["os/unix/sysctl", "os/unix/sysctl", {}],
];

for (const [first, second, value] of EXCLUSIVE) {
  Deno.test(`${first} and ${second} exclude each other`, () => {
    const list = [{ name: first, value }, { name: second, value }];
    const message = `isolators[1]: cannot be used along with isolators[0]`;
    assertThrows(() => readIsolators(list, "isolators"), Error, message);
  });
}

Deno.test("sets of capabilities of one kind add up", () => {
  const name = "os/linux/capabilities-retain-set";
  const list = [{ name, value: { set: ["CAP_KILL"] } }, { name, value: { set: ["CAP_CHOWN"] } }];
  assertEquals(readIsolators(list, "isolators").capabilities?.set, ["CAP_KILL", "CAP_CHOWN"]);
});

Deno.test("of resources that stand twice, the last counts", () => {
  const name = "resource/memory";
  const list = [{ name, value: { limit: "1" } }, { name, value: { limit: "2" } }];
  assertEquals(readIsolators(list, "isolators").memory, { field: "isolators[1]", limit: 2 });
});
