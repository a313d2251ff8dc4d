import { assertEquals, assertThrows } from "@std/assert";
import type { Isolators } from "../appc/isolators.ts";
import { type HostSysctls, planSysctls, sharedSysctls, sysctlPath } from "./sysctl.ts";

function asking(entries: Record<string, string>): Isolators {
  return { unknown: [], sysctl: { field: "isolators[0]", entries } };
}

const HOST: HostSysctls = new Map([
  ["net.core.somaxconn", "4096"],
  ["kernel.shmmax", "1"],
  ["vm.swappiness", "60"],
]);

function check(entries: Record<string, string>, host: Record<string, string>): void {
  planSysctls(asking(entries), [], [], new Map(Object.entries(host)));
}

Deno.test("a setting that is so already is fine, whatever is between its numbers", () => {
  check({ "net.ipv4.tcp_rmem": " 4096 131072  6291456" }, {
    "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
  });
});

Deno.test("a setting that is not so is refused, with the host's value", () => {
  assertThrows(
    () => check({ "net.core.somaxconn": "1" }, { "net.core.somaxconn": "4096" }),
    Error,
    'isolators[0] (os/unix/sysctl): net.core.somaxconn=1 cannot be had: it is "4096" on this host',
  );
});

Deno.test("a setting that the kernel does not have is refused", () => {
  assertThrows(() => check({ "net.nothing": "1" }, {}), Error, "this kernel has no such setting");
});

Deno.test("a pod that asks for nothing needs nothing of the host, and gets nothing", () => {
  const none = { unknown: [] };
  assertEquals(sharedSysctls(none, []), []);
  assertEquals(planSysctls(none, [none], ["net"], HOST), []);
});

Deno.test("only the values of settings that the pod shares have to be known", () => {
  const isolators = asking({ "kernel.ostype": "Linux", "net.core.somaxconn": "7" });
  const field = "isolators[0] (os/unix/sysctl)";
  const ostype = { name: "kernel.ostype", path: "/proc/sys/kernel/ostype", field };
  const somaxconn = { name: "net.core.somaxconn", path: "/proc/sys/net/core/somaxconn", field };
  assertEquals(sharedSysctls(isolators, ["net"]), [ostype]);
  assertEquals(sharedSysctls(isolators, ["ipc"]), [ostype, somaxconn]);
});

Deno.test("sysctlPath() refuses what leads elsewhere", () => {
  for (const name of ["", "net..core", "../../etc/passwd", "/etc/passwd", "net/../../x", "."]) {
    assertThrows(() => sysctlPath(name), Error, "is not the name of a setting");
  }
});

Deno.test("settings of the pod's own namespaces are the pod's to set", () => {
  const entries = { "net.core.somaxconn": "7", "kernel.shmmax": "8", "fs/mqueue/msg_max": "9" };
  assertEquals(planSysctls(asking(entries), [], ["net", "ipc"], HOST), [
    {
      path: "/proc/sys/net/core/somaxconn",
      value: "7",
      field: "isolators[0] (os/unix/sysctl): net.core.somaxconn=7",
    },
    {
      path: "/proc/sys/kernel/shmmax",
      value: "8",
      field: "isolators[0] (os/unix/sysctl): kernel.shmmax=8",
    },
    {
      path: "/proc/sys/fs/mqueue/msg_max",
      value: "9",
      field: "isolators[0] (os/unix/sysctl): fs/mqueue/msg_max=9",
    },
  ]);
});

Deno.test("a setting of a namespace that the pod shares is the host's", () => {
  const plan = (...namespaces: ("net" | "ipc")[]) =>
    planSysctls(asking({ "net.core.somaxconn": "7" }), [], namespaces, HOST);
  assertEquals(plan("net").length, 1);
  assertThrows(() => plan("ipc"), Error, "somaxconn=7 cannot be had: it is");
  assertThrows(
    () => planSysctls(asking({ "kernel.shmmax": "7" }), [], ["net"], HOST),
    Error,
    "shmmax=7",
  );
  assertThrows(
    () => planSysctls(asking({ "vm.swappiness": "7" }), [], ["net", "ipc"], HOST),
    Error,
  );
});

Deno.test("an app may ask for what its pod asks for, and for no more", () => {
  const ofPod = asking({ "net.core.somaxconn": "7" });
  assertEquals(planSysctls(ofPod, [ofPod, { unknown: [] }], ["net"], HOST).length, 1);
  const other = asking({ "net.core.somaxconn": "8" });
  assertThrows(
    () => planSysctls(ofPod, [other], ["net"], HOST),
    Error,
    "it would be the whole pod's",
  );
});

Deno.test("what is not the name of a setting is refused with its isolator", () => {
  const error = assertThrows(() => sharedSysctls(asking({ "net..x": "1" }), ["net"]), Error);
  assertEquals(error.message, "isolators[0] (os/unix/sysctl)");
});
