/**
 * Tests of the isolated image on a host with cgroup v2 alone, and whose first root file system is
 * still in use.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { figureCommands } from "./figures.ts";
import { which } from "./host.ts";
import { planMachine } from "./machine_scenario.ts";
import { AMD64 } from "./virtual_machine.ts";

const MEMORY = { name: "resource/memory", value: { request: "16Mi", limit: "32Mi" } };
const CPU = { name: "resource/cpu", value: { request: "250m", limit: "500m" } };
const IOPS = { name: "resource/block-iops", value: { default: true, limit: "1000" } };
const PROFILE = { name: "os/linux/apparmor-profile", value: { profile: "volo-test" } };

/** Debian's Node, or this machine's. */
const NODE = which("node");

const machineScenario = planMachine({
  machine: AMD64,
  flavor: "isolated",
  security: {
    module: "apparmor",
    // Everything is allowed but reading files named `forbidden`.
    policy:
      "profile volo-test flags=(attach_disconnected) { file, capability, deny /**/forbidden r, }\n",
  },
});

/**
 * Shell functions that print the pod's cgroup, and its whole tree, in which `POD` replaces the
 * name.
 */
const TREE = `
  pod() { find /sys/fs/cgroup -type d -name "machine-rkt*"; }
  tree() {
    find /sys/fs/cgroup -mindepth 1 -type d | grep -e machine-rkt -e volo- | sort |
      sed 's/machine-rkt[^/]*/POD/'
  }`;

/** Starts the pod in a cgroup that holds nothing else. */
function startIn(cgroup: string): string {
  return `${TREE}
    rm -f /tmp/app
    (join ${cgroup}; run >/tmp/app) &
    until grep -q ready /tmp/app 2>/dev/null; do sleep .1; done`;
}

function lines(...texts: string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}

machineScenario("pod and app have cgroups of their own, with the limits of the app", {
  script: `
    cat /proc/self/cgroup /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max
    (echo max >/sys/fs/cgroup/memory.max) 2>&1 | sed "s/.*: //"
    grep " - cgroup2 " /proc/self/mountinfo | cut -d" " -f4-6
    find /sys/fs/cgroup -mindepth 1 -type d
    echo ready; exec sleep 100`,
  app: { isolators: [MEMORY, CPU, IOPS], user: "1000", group: "1000" },
  commands: `
    ${startIn("service/one")}
    cat /tmp/app; tree
    cd "$(pod)/app-app"
    grep -H . memory.max memory.low memory.swap.max cpu.max cpu.weight io.max
    cat ../cgroup.procs ../../cgroup.procs; wc -l <cgroup.procs; wc -l <../init/cgroup.procs
    cat /proc/$(cat $dir/pid)/root/sys/fs/cgroup/memory.max
    enter /bin/cat /proc/self/cgroup /sys/fs/cgroup/memory.max
    sed 's/machine-rkt.*/POD/' $dir/subcgroup; echo
    cd /; collect; tree`,
}, (result) => {
  assertQuiet(result);
  assertEquals(result.stdout.trimEnd().split("\n"), [
    ...["0::/", "33554432", "50000 100000", "Read-only file system"],
    ...["/ /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime", "ready"],
    "/sys/fs/cgroup/service/one/POD",
    "/sys/fs/cgroup/service/one/POD/app-app",
    "/sys/fs/cgroup/service/one/POD/init",
    "/sys/fs/cgroup/service/one/volo-UUID",
    ...["memory.max:33554432", "memory.low:16777216", "memory.swap.max:0"],
    ...["cpu.max:50000 100000", "cpu.weight:25"],
    "io.max:1:0 rbps=max wbps=max riops=1000 wiops=1000",
    ...["1", "1", "33554432", "0::/", "33554432", "/service/one/POD"],
  ]);
});

/** Manifests of a pod that begins without its app, and gets it later. */
const MUTABLE = JSON.stringify([{ name: "coreos.com/rkt/stage1/mutable", value: "true" }]);
const SANDBOX = `
  cp $dir/pod $dir/later
  sed -i 's|"apps":|"annotations":${MUTABLE},"apps":|' $dir/later
  echo '{"acVersion":"0.8.11","acKind":"PodManifest","apps":[],"annotations":${MUTABLE}}' >$dir/pod
  start --mutable 2>&1
  until [ -L $dir/stage1/rootfs/rkt/supervisor-status ]; do sleep .1; done
  cp $dir/later $dir/pod
  app() { name=app-$1; shift; (become $name --app=app "$@"); }`;

machineScenario("an app that is added to a pod has cgroups and limits, and is removed with them", {
  script: `
    cat /proc/self/cgroup /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max
    grep -c " - cgroup2 " /proc/self/mountinfo
    (tail -c 100000000 /dev/zero) 2>/dev/null; echo survived; exec sleep 100`,
  app: { isolators: [MEMORY, CPU] },
  commands: `
    ${TREE}
    join service/one
    { ${SANDBOX}
    } >/tmp/out 2>&1
    tree
    app add --uuid=$uuid && app start
    until grep -q survived /tmp/out && grep -q "killed for memory" /tmp/out; do sleep .1; done
    tree
    app stop; cat $dir/stage1/rootfs/rkt/status/app; echo
    app start; app rm; tree
    stop; wait $pod; echo "run $?"; collect; tree
    sed 's/^\\[[^]]*\\] app[^:]*: //' /tmp/out | sort -u`,
}, (result) => {
  assertQuiet(result);
  const pod = "/sys/fs/cgroup/service/POD";
  const ofPod = [pod, `${pod}/init`];
  const limit = 'apps["app"].app.isolators[0] (resource/memory)';
  assertEquals(result.stdout.trimEnd().split("\n"), [
    ...[...ofPod, pod, `${pod}/app-app`, `${pod}/init`],
    ...["0", "", ...ofPod, "run 0"],
    ...["0::/", "1", "33554432", "50000 100000", "Killed"],
    `run: ${limit}: killed for memory: 1 process of app "app": the limit is 32 MiB`,
    "survived",
  ]);
});

machineScenario("the commands of docs/figures.md read what an app uses", {
  script: "head -c 3000000 /dev/zero | tail -c 3000000 | wc -c; echo ready; exec sleep 100",
  app: { isolators: [MEMORY, { name: "resource/cpu", value: { limit: "2000m" } }, IOPS] },
  commands: `
    ${startIn("service/figures")}
    (cd $dir; ${figureCommands("With cgroup v2", "app").join("\n")})
    collect`,
}, (result) => {
  assertQuiet(result);
  const [now, most, kills, time, throttled, ...more] = result.stdout.trimEnd().split("\n")
    .map((line) => Number(line.split(" ").at(-1)));
  assert(most! > 3_000_000 && now! < most!, result.stdout);
  assertEquals(kills, 0);
  assert(time! > 1_000 && throttled! >= 0, result.stdout);
  // io.stat has a line for each disk that is in use; one thread is left.
  assertEquals(more.at(-1), 1);
});

machineScenario("without isolators run stays in its cgroup, beside others", {
  script: "echo ready; exec sleep 100",
  commands: `
    ${TREE}
    (join user/session
      start >/tmp/app
      until grep -q ready /tmp/app; do sleep .1; done
      cat /sys/fs/cgroup/user/session/cgroup.subtree_control
      tree; grep -qx $pod /sys/fs/cgroup/user/session/cgroup.procs && echo stays)
    collect; tree`,
}, (result) => {
  assertQuiet(result);
  assertEquals(result.stdout.trimEnd().split("\n"), [
    "/sys/fs/cgroup/user/session/POD",
    "/sys/fs/cgroup/user/session/POD/app-app",
    "/sys/fs/cgroup/user/session/POD/init",
    "stays",
  ]);
});

machineScenario("a cgroup of threads has no pod below it", {
  script: "echo ready; exec sleep 100",
  commands: `
    ${TREE}
    mkdir /sys/fs/cgroup/threads && echo threaded >/sys/fs/cgroup/threads/cgroup.type
    (join threads; start >/tmp/app; until grep -q ready /tmp/app; do sleep .1; done; tree)
    collect`,
}, (result) => {
  assertQuiet(result);
  assertPrints(
    result,
    lines("/sys/fs/cgroup/POD", "/sys/fs/cgroup/POD/app-app", "/sys/fs/cgroup/POD/init"),
  );
});

machineScenario("an app that exceeds its memory is killed", {
  script: "tail /dev/zero; echo ended with $?",
  app: { isolators: [MEMORY] },
}, (result) => assertPrints(result, "ended with 137\n"));

machineScenario("a child that is killed for memory is told while its app goes on", {
  script: "tail /dev/zero; echo ready; exec sleep 100",
  app: { isolators: [MEMORY] },
  commands: `
    (join service/three; run >/tmp/app 2>/tmp/lines) &
    for i in $(seq 300); do grep -q memory: /tmp/lines && break; sleep .1; done
    kill -0 $! && echo goes on; grep memory: /tmp/lines`,
}, (result) => {
  const line = "run: apps[0].app.isolators[0] (resource/memory): killed for memory: " +
    '1 process of app "app": the limit is 32 MiB';
  assertPrints(result, lines("goes on", line));
});

machineScenario("an app that is killed for memory by the pod's limit is told with that", {
  script: "tail /dev/zero",
  commands: `
    sed -i 's|"isolators":null|"isolators":[${JSON.stringify(MEMORY)}]|' $dir/pod
    (join service/four; run >/tmp/app 2>/tmp/lines); grep memory: /tmp/lines`,
}, (result) => {
  const line = "run: isolators[0] (resource/memory): killed for memory: " +
    '1 process of app "app": the limit is 32 MiB';
  assertPrints(result, lines(line));
});

if (NODE) {
  machineScenario("Node finds its memory limit", {
    script: `exec ${NODE} --jitless -p 'process.constrainedMemory()'`,
    app: { isolators: [{ name: "resource/memory", value: { limit: "128Mi" } }] },
    programs: [NODE],
  }, (result) => assertPrints(result, "134217728\n"));
}

machineScenario("root of a pod with limits sees them, and can change none", {
  script: `
    cd /sys/fs/cgroup
    for file in memory.max cgroup.procs cgroup.kill cgroup.freeze; do
      (echo 1 >$file) 2>&1 | sed "s/.*: //"
    done
    mkdir below 2>&1 | sed "s/.*: //"
    mount -o remount,rw,bind . 2>/dev/null || echo stays
    cat memory.max`,
  app: { isolators: [MEMORY] },
}, (result) => {
  const readOnly = Array.from({ length: 5 }, () => "Read-only file system");
  assertPrints(result, lines(...readOnly, "stays", "33554432"));
});

machineScenario("an app has the standard devices, and can make no others", {
  script: `
    for name in null zero full random urandom ptmx; do (: </dev/$name) && echo $name; done
    (mknod /dev/another c 1 3; : >/dev/another) && echo made
    for device in "c 5 2" "c 1 11" "b 1 0"; do mknod /dev/other $device 2>/dev/null || echo none; done`,
}, (result) => {
  assertQuiet(result);
  const standard = ["null", "zero", "full", "random", "urandom", "ptmx"];
  assertPrints(result, lines(...standard, "made", "none", "none", "none"));
});

machineScenario("a host that lets no cgroup be made has pods without, and says so", {
  script: "cat /proc/self/cgroup",
  app: { isolators: [MEMORY] },
  commands:
    "mount -o remount,ro,bind /sys/fs/cgroup; (run); code=$?; mount -o remount,rw,bind /sys/fs/cgroup; exit $code",
}, (result) => {
  assertCode(result, 0);
  assertEquals(result.stdout, "0::/\n");
  assertMatch(result.stderr, /^run: apps\[0\].*resource\/memory\): not enforced: .*EROFS/m);
  assertMatch(result.stderr, /^run: devices of the host: not enforced: .*EROFS/m);
});

machineScenario("gc ends what is left, and run can be killed", {
  script: "echo ready; sleep 100 & exec sleep 100",
  app: { isolators: [MEMORY] },
  commands: `
    ${startIn("service/two")}
    first=$(cat $dir/pid); kill -9 $!; wait; tree | grep -c two
    collect; tree | grep two; kill -0 $first 2>/dev/null || echo dead`,
}, (result) => {
  assertPrints(result, lines("4", "dead"));
});

machineScenario("an app is confined by its AppArmor profile", {
  script:
    "cat /proc/self/attr/current; cp /etc/passwd /etc/forbidden && cat /etc/forbidden || echo denied",
  app: { isolators: [PROFILE] },
}, (result) => {
  assertCode(result, 0);
  assertPrints(result, lines("volo-test (enforce)", "denied"));
});

machineScenario("an AppArmor profile that the host has not is refused", {
  script: "true",
  app: {
    isolators: [{ name: "os/linux/apparmor-profile", value: { profile: "missing" } }],
  },
}, (result) => {
  assertRefused(result, "run", /^run: apps\[0\]\.app\.isolators\[0\] .*missing is not available/);
});

machineScenario("no path leads out where the host's root cannot be pivoted from", {
  script:
    "ls /proc/1/root /proc/1/root/.. /.. | sort -u | tr '\\n' ' '; echo ready; exec sleep 100",
  commands: `
    start --debug --disable-capabilities-restriction --disable-seccomp >/tmp/app
    until grep -q ready /tmp/app; do sleep .1; done
    cat /tmp/app; enter /bin/ls /..`,
}, ({ stdout, stderr }) => {
  assertMatch(stderr, /^run: chroot instead: this host's root cannot be left$/m);
  assertMatch(stdout, /\bhidden-file\b/);
  assertEquals(/\bpods\b/.test(stdout), false, stdout);
});
