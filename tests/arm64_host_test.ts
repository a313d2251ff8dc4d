/** Tests of both images on a host with another processor: arm64, with cgroup v2 alone. */

import { assertEquals } from "@std/assert";
import { assertCode, assertPrints, assertQuiet } from "./expect.ts";
import { planMachine } from "./machine_scenario.ts";
import { ARM64 } from "./virtual_machine.ts";

const MEMORY = { name: "resource/memory", value: { limit: "32Mi" } };
const CAPABILITIES = { name: "os/linux/capabilities-retain-set", value: { set: ["CAP_KILL"] } };

/** Refuses the call that arm64 has instead of mkdir(2). */
const NO_MKDIR = {
  name: "os/linux/seccomp-remove-set",
  value: { set: ["mkdirat"], errno: "EROFS" },
};

/** Prints the capabilities and the filter of an app or a command, and tries a system call. */
const POWERS = "grep -e ^CapEff -e ^Seccomp: /proc/self/status; mkdir /tmp/made 2>&1";

/** What {@linkcode POWERS} prints for these capabilities. */
function powers(capabilities: string): string[] {
  return [
    ...[`CapEff:\t${capabilities}`, "Seccomp:\t2"],
    "mkdir: can't create directory '/tmp/made': Read-only file system",
  ];
}

/** Starts the pod, and waits for its app. */
const START = "start >/tmp/app; until grep -q ready /tmp/app; do sleep .1; done";

/** The exit code of `run` after its app has ended by SIGTERM. */
const ENDED = { host: 143, isolated: 0 };

for (const flavor of ["host", "isolated"] as const) {
  const machineScenario = planMachine({ machine: ARM64, flavor });

  machineScenario("on arm64 a pod is run, entered, stopped and collected", {
    script: "uname -m; echo ready; exec sleep 1000",
    app: { isolators: [MEMORY, CAPABILITIES, NO_MKDIR] },
    commands: `
      mounts() { wc -l </proc/self/mountinfo; }
      before=$(mounts)
      ${START}
      cat /tmp/app
      enter /bin/sh -c 'uname -m; ${POWERS}'
      cat $(find /sys/fs/cgroup -name memory.max) | grep -v max
      stop
      wait $pod 2>/dev/null; echo "ended with $?"
      collect
      find /sys/fs/cgroup -mindepth 1 -type d
      [ "$(mounts)" = "$before" ] || cat /proc/self/mountinfo`,
  }, (result) => {
    assertQuiet(result);
    assertEquals(result.stdout.trimEnd().split("\n"), [
      ...["aarch64", "ready", "aarch64", ...powers("0000000000000020")],
      ...["33554432", `ended with ${ENDED[flavor]}`],
    ]);
  });

  machineScenario("on arm64 an app has its user, its limits and its exit status", {
    script: `${POWERS}; ulimit -v; exit 3`,
    app: { isolators: [CAPABILITIES, NO_MKDIR], user: "1000", group: "1000" },
    commands: "ulimit -v 4000000; run",
  }, (result) => {
    assertCode(result, 3);
    assertEquals(result.stdout.trimEnd().split("\n"), [...powers("0000000000000000"), "4000000"]);
  });

  machineScenario("on arm64 a pod that does not stop is killed", {
    script: "trap '' TERM; echo ready; while :; do sleep .1; done",
    commands: `
      ${START}
      stop; kill -0 $pod && stop --force
      wait $pod 2>/dev/null; echo "ended with $?"
      collect`,
  }, (result) => {
    assertQuiet(result);
    assertPrints(result, "ended with 137\n");
  });
}
