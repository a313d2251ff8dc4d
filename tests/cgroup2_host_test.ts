/**
 * Tests of the host image on a host with cgroup v2 alone, with AppArmor, and whose first root file
 * system is still in use.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { planMachine } from "./machine_scenario.ts";
import { AMD64 } from "./virtual_machine.ts";

const MEMORY = { name: "resource/memory", value: { request: "16Mi", limit: "32Mi" } };
const CPU = { name: "resource/cpu", value: { request: "250m", limit: "500m" } };
const SHARES = { name: "os/linux/cpu-shares", value: 2048 };
const IOPS = { name: "resource/block-iops", value: { default: true, limit: "1000" } };
const BANDWIDTH = { name: "resource/block-bandwidth", value: { default: true, limit: "2Mi" } };
const OOM_SCORE_ADJ = { name: "os/linux/oom-score-adj", value: 321 };
const PROFILE = { name: "os/linux/apparmor-profile", value: { profile: "volo-test" } };

const machineScenario = planMachine({
  machine: AMD64,
  security: {
    module: "apparmor",
    // Everything is allowed but reading files named `forbidden`.
    policy:
      "profile volo-test flags=(attach_disconnected) { file, capability, deny /**/forbidden r, }\n",
  },
});

const WHERE = "cat /proc/self/cgroup";
const LABEL = "cat /proc/self/attr/current";

/** Returns the command by which an app reads files of its own cgroup. */
function readLimits(...files: string[]): string {
  return `cd "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)" && grep -H . ${files.join(" ")}`;
}

function lines(...texts: string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}

machineScenario("the machine has cgroup v2 alone, and AppArmor", {
  script: WHERE,
  commands: `
    cat /proc/self/cgroup /sys/fs/cgroup/cgroup.controllers /sys/kernel/security/lsm
    grep -c cgroup /proc/mounts`,
}, ({ stdout }) => {
  assertMatch(stdout, /^0::\/\ncpuset cpu io memory .*\n.*\bapparmor\b.*1\n$/);
});

machineScenario("who may raise a hard limit does, and the app has the caller's", {
  script: "ulimit -H -v; ulimit -S -v; ulimit -n",
  commands: "ulimit -v 4000000; ulimit -n 99; run",
}, (result) => assertPrints(result, lines("4000000", "4000000", "99")));

machineScenario("the app is in a cgroup below the root, with its limits, until it is collected", {
  script: `
    ${WHERE}; cat /proc/self/oom_score_adj
    ${readLimits("memory.max", "memory.low", "memory.swap.max", "cpu.max", "cpu.weight")}
    echo ready; exec sleep 100`,
  app: { isolators: [MEMORY, CPU, OOM_SCORE_ADJ], user: "1000", group: "1000" },
  commands: `
    start >/tmp/app
    until grep -q ready /tmp/app; do sleep .1; done
    cat /tmp/app
    [ "$(cat "$(cgroups)/cgroup.procs")" = "$(cat "$dir/pid")" ] && echo alone
    stop
    wait $pod 2>/dev/null; echo "ended with $?"
    cgroups
    collect
    cgroups`,
}, (result) => {
  assertQuiet(result);
  assertEquals(result.stdout.trimEnd().split("\n"), [
    ...["0::/volo-UUID", "321"],
    ...["memory.max:33554432", "memory.low:16777216", "memory.swap.max:0"],
    ...["cpu.max:50000 100000", "cpu.weight:25"],
    ...["ready", "alone", "ended with 143", "/sys/fs/cgroup/volo-UUID"],
  ]);
});

machineScenario("cpu-shares are a weight", {
  script: readLimits("cpu.weight"),
  app: { isolators: [SHARES] },
}, (result) => {
  assertQuiet(result);
  assertPrints(result, "cpu.weight:200\n");
});

machineScenario("disks are limited, also what the page cache writes to them", {
  script: `
    ${readLimits("io.max", "cgroup.controllers")}
    seconds() { cut -d. -f1 /proc/uptime; }
    begin=$(seconds)
    dd if=/dev/zero of=/dev/ram0 bs=1M count=8 conv=fsync 2>/dev/null
    [ $(($(seconds) - begin)) -ge 3 ] && echo slowly`,
  app: { isolators: [IOPS, BANDWIDTH] },
}, (result) => {
  assertQuiet(result);
  assertMatch(
    result.stdout,
    /^io\.max:1:0 rbps=2097152 wbps=2097152 riops=1000 wiops=1000\n.*io memory.*\nslowly\n$/,
  );
});

machineScenario("an app that exceeds its memory is killed", {
  script: "tail /dev/zero; echo ended with $?",
  app: { isolators: [MEMORY] },
}, (result) => assertPrints(result, "ended with 137\n"));

machineScenario("a caller that is alone in its cgroup has the pod below it", {
  script: WHERE,
  app: { isolators: [MEMORY] },
  commands: "(join service/one; run); cgroups; collect; cgroups",
}, (result) => {
  assertQuiet(result);
  assertPrints(
    result,
    lines("0::/service/one/volo-UUID", "/sys/fs/cgroup/service/one/volo-UUID"),
  );
});

machineScenario("beside others, the pod is in the nearest cgroup above that can have it", {
  script: WHERE,
  app: { isolators: [MEMORY] },
  commands: "mkdir /sys/fs/cgroup/user; join user/session; (run)",
}, (result) => {
  assertQuiet(result);
  assertPrints(result, "0::/user/volo-UUID\n");
});

machineScenario("a cgroup of threads has no pod below it", {
  script: WHERE,
  app: { isolators: [MEMORY] },
  commands: `
    mkdir /sys/fs/cgroup/threads && echo threaded >/sys/fs/cgroup/threads/cgroup.type
    join threads; run`,
}, (result) => {
  assertQuiet(result);
  assertPrints(result, "0::/volo-UUID\n");
});

/**
 * Returns a command that runs others as in a container, whose root cgroup is this shell's cgroup.
 */
function inContainer(commands: string): string {
  const view = "umount /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup";
  return `/programs/unshare --cgroup --mount sh -c '${view}; . /stage0.sh; ${commands}'`;
}

machineScenario("a container's only process has the pod below it", {
  script: WHERE,
  app: { isolators: [MEMORY] },
  commands: `join container; exec ${inContainer("run")}`,
}, (result) => {
  assertQuiet(result);
  assertPrints(result, "0::/volo-UUID\n");
});

machineScenario("beside others in a container's first cgroup, limits are said not to be enforced", {
  script: WHERE,
  app: { isolators: [MEMORY, CPU] },
  commands: `join crowded; ${inContainer("run")}`,
}, (result) => {
  assertPrints(result, "0::/\n");
  const keeps = (controller: string) =>
    "not enforced: other processes in /sys/fs/cgroup keep its controller " +
    `${controller} from cgroups below`;
  assertEquals(
    result.stderr,
    lines(
      `run: apps[0].app.isolators[0] (resource/memory): ${keeps("memory")}`,
      `run: apps[0].app.isolators[1] (resource/cpu): ${keeps("cpu")}`,
    ),
  );
});

machineScenario("a controller that a container has not is said", {
  script: WHERE,
  app: { isolators: [MEMORY] },
  commands: `join starved/container; exec ${inContainer("run")}`,
}, (result) => {
  assertPrints(result, "0::/\n");
  assertEquals(
    result.stderr,
    "run: apps[0].app.isolators[0] (resource/memory): not enforced: no cgroup that can be reached " +
      "here has the controller memory\n",
  );
});

machineScenario("gc ends what is left in cgroups that the app has made", {
  script: `
    cd "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)" && mkdir -p one/two
    sleep 100 >/dev/null &
    echo $! >one/two/cgroup.procs; echo $!`,
  app: { isolators: [MEMORY] },
  commands: `
    orphan=$( (run) )
    cgroups | wc -l; kill -0 "$orphan" && echo alive
    collect
    cgroups | wc -l; kill -0 "$orphan" 2>/dev/null || echo dead`,
}, (result) => {
  assertQuiet(result);
  assertPrints(result, lines("1", "alive", "0", "dead"));
});

machineScenario("a root that cannot be pivoted from is left by chroot, and enter gets in", {
  script: "echo ready; exec sleep 100",
  commands: `
    start --debug
    enter /bin/sh -c 'ls -d /bin/busybox /pods /../pods'`,
}, ({ stdout, stderr }) => {
  assertMatch(stderr, /^run: chroot instead: this host's root cannot be left$/m);
  assertMatch(stderr, /^ls: \/\.\.\/pods: No such file or directory$/m);
  assertEquals(stdout, lines("ready", "/bin/busybox"));
});

machineScenario("an app is confined by its AppArmor profile", {
  script: `${LABEL}; cp /etc/passwd /etc/forbidden && cat /etc/forbidden || echo denied`,
  app: { isolators: [PROFILE] },
}, (result) => {
  assertCode(result, 0);
  assertPrints(result, lines("volo-test (enforce)", "denied"));
});

machineScenario("an AppArmor profile goes with no new privileges and a system call filter", {
  script: LABEL,
  app: {
    isolators: [
      PROFILE,
      { name: "os/linux/no-new-privileges", value: true },
      { name: "os/linux/seccomp-remove-set", value: { set: ["@rkt/default-blacklist"] } },
    ],
    user: "1000",
    group: "1000",
  },
}, (result) => {
  assertQuiet(result);
  assertPrints(result, "volo-test (enforce)\n");
});

machineScenario("an AppArmor profile holds for event handlers", {
  script: LABEL,
  app: {
    isolators: [PROFILE],
    eventHandlers: ["pre-start", "post-stop"].map((name) => ({
      name,
      exec: ["/bin/cat", "/proc/self/attr/current"],
    })),
  },
}, (result) => {
  assertQuiet(result);
  assertPrints(result, "volo-test (enforce)\n".repeat(3));
});

machineScenario("a command in an app is confined by the app's AppArmor profile", {
  script: "echo ready; exec sleep 100",
  app: { isolators: [PROFILE] },
  commands: `start; enter /bin/cat /proc/self/attr/current`,
}, (result) => {
  assertQuiet(result);
  assertPrints(result, lines("ready", "volo-test (enforce)"));
});

machineScenario("an AppArmor profile that the host has not is refused", {
  script: WHERE,
  app: {
    isolators: [MEMORY, { name: "os/linux/apparmor-profile", value: { profile: "missing" } }],
  },
  commands: "(run); code=$?; cgroups; exit $code",
}, (result) => {
  assertRefused(
    result,
    "run",
    /isolators\[1\] \(os\/linux\/apparmor-profile\): missing is not available/,
  );
  assert(result.stdout === "", `cgroups are left: ${result.stdout}`);
});
