/**
 * Tests of pods as services, by the units of the documentation, on a host whose first program is
 * systemd.
 */

import { assertEquals } from "@std/assert";
import { assertQuiet } from "./expect.ts";
import { COMPILER } from "./filter_probe.ts";
import { planMachine } from "./machine_scenario.ts";
import { addService, SERVICE } from "./service_manager.ts";
import { SYSTEMD } from "./virtual_machine.ts";

const plan = { machine: SYSTEMD, needs: COMPILER, furnish: (image: string) => addService(image) };
const hostScenario = planMachine({ ...plan, flavor: "host" });
const isolatedScenario = planMachine({ ...plan, flavor: "isolated" });

/**
 * The shell functions of all cases. The pod of the case is what the units run. The machine is
 * emulated, so questions to systemd compete with what they wait for: they are asked once a second.
 */
const TOOLS = `
  mv $dir /pods/prepared
  pods=/var/lib/rkt/pods/run
  current() { cat /run/web-pod.uuid; }
  eventually() { until eval "$@"; do sleep 1; done; }
  show() { systemctl show --property=$1 --value web-pod; }
  change() {
    mkdir -p /run/systemd/system/web-pod.service.d
    printf '[Service]\\n%s\\n' "$@" >/run/systemd/system/web-pod.service.d/change.conf
    systemctl daemon-reload
  }
  finish() {
    systemctl stop web-pod
    rm -rf /pods/prepared /run/systemd/system/web-pod.service.d
    systemctl daemon-reload
  }
`;

const READY = `${SERVICE} tell STATUS=almost
  until [ -e /go ]; do sleep .1; done
  ${SERVICE} tell READY=1`;
const STAY = "trap 'echo was asked; exit 0' TERM; while :; do sleep .1; done";

function lines(...texts: string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}

isolatedScenario("a unit is active when its pod's app is ready, and ends it in order", {
  script: `${READY}; ${STAY}`,
  commands: `${TOOLS}
    systemctl start --no-block web-pod
    eventually '[ "$(show StatusText)" = almost ]'
    show ActiveState
    [ "$(show MainPID)" = "$(cat $pods/$(current)/pgid)" ] && echo main
    touch $pods/$(current)/stage1/rootfs/opt/stage2/app/rootfs/go
    eventually '[ "$(show ActiveState)" = active ]'
    systemctl stop web-pod
    show ActiveState; show Result; ls $pods
    journalctl --sync; journalctl --unit=web-pod --output=cat | grep -o "was asked"
    finish`,
}, (result) => {
  assertQuiet(result);
  assertEquals(result.stdout, lines("activating", "main", "inactive", "success", "was asked"));
});

isolatedScenario("a unit restarts its pod by request and after a crash, and removes the old one", {
  script: `${SERVICE} tell READY=1; ${STAY}`,
  commands: `${TOOLS}
    systemctl start web-pod
    first=$(current)
    systemctl restart web-pod
    second=$(current)
    [ $first != $second ] && ls $pods | sed "s/$second/second/"
    kill -9 $(show MainPID)
    eventually '[ "$(show ActiveState)" = active -a $(current) != $second ]'
    ls $pods | sed "s/$(current)/third/"
    show NRestarts
    find /sys/fs/cgroup -name "*$first*" -o -name "*$second*"
    finish`,
}, (result) => {
  assertQuiet(result);
  assertEquals(result.stdout, lines("second", "third", "1"));
});

isolatedScenario("the limits of a unit hold for its pod", {
  script: `${SERVICE} tell READY=1; ${STAY}`,
  commands: `${TOOLS}
    systemctl start web-pod
    cgroup=$(show ControlGroup)
    sed "s|0::$cgroup/||; s|machine-rkt[^/]*|POD|" /proc/$(cat $pods/$(current)/pid)/cgroup
    finish`,
}, (result) => {
  assertQuiet(result);
  assertEquals(result.stdout, lines("POD/init"));
});

isolatedScenario("the timer has ended pods removed", {
  script: "exit 3",
  commands: `${TOOLS}
    mkdir -p /run/systemd/system/web-pod.service.d
    printf '[Service]\nExecStopPost=\nRestart=no\n' >/run/systemd/system/web-pod.service.d/kept.conf
    systemctl daemon-reload
    systemctl start web-pod 2>/dev/null; echo failed with $(show ExecMainStatus)
    ls $pods | sed "s/$(current)/ended/"
    systemctl start rkt-gc.timer
    systemctl list-timers --no-legend rkt-gc.timer | grep -o rkt-gc.service
    systemctl start rkt-gc; ls $pods
    finish`,
}, (result) => {
  assertQuiet(result);
  assertEquals(result.stdout, lines("failed with 3", "ended", "rkt-gc.service"));
});

isolatedScenario("the first client starts the pod, and the next one when it has ended", {
  script: `${SERVICE} tell READY=1; exec ${SERVICE} serve`,
  app: { ports: [{ name: "http", protocol: "tcp", port: 8080, socketActivated: true }] },
  commands: `${TOOLS}
    state() { systemctl show --property=ActiveState --value web-on-demand.service; }
    systemctl start web-on-demand.socket
    state
    for client in 1 2; do
      nc 127.0.0.1 8080 </dev/null
      eventually '[ "$(state)" = inactive ]'
    done
    ls $pods
    systemctl stop web-on-demand.socket
    journalctl --sync
    journalctl --unit=web-on-demand --output=cat | grep -o "this process, 1.*"
    finish`,
}, (result) => {
  assertQuiet(result);
  const [hello, given] = ["hello by socket 3", "this process, 1 sockets: web-on-demand.socket"];
  assertEquals(result.stdout, lines("inactive", hello, hello, given, given));
});

isolatedScenario("systemd-machined knows the pod that a unit registers, and none before it", {
  script: `${SERVICE} tell READY=1; trap 'echo was asked; exit 0' TERM
    until [ -e /go ]; do sleep .1; done; exit 3`,
  commands: `${TOOLS}
    mkdir -p /run/systemd/system/web-pod.service.d
    cp /etc/systemd/system/machined.conf /run/systemd/system/web-pod.service.d/
    systemctl daemon-reload
    machines() { machinectl list --no-legend | sed "s/$(current)/current/; s/ .*//"; }
    systemctl start web-pod
    machines
    first=$(current)
    touch $pods/$first/stage1/rootfs/opt/stage2/app/rootfs/go
    eventually '[ "$(show ActiveState)" = active -a $(current) != $first ]'
    machines
    machinectl show --property=Leader --value rkt-$(current) | diff - $pods/$(current)/pid
    invocation=$(show InvocationID)
    machinectl terminate rkt-$(current)
    eventually '[ "$(show ActiveState)" = inactive ]'
    show Result; machines; ls $pods
    journalctl --sync
    journalctl _SYSTEMD_INVOCATION_ID=$invocation --output=cat | grep -o "was asked"
    finish`,
}, (result) => {
  assertQuiet(result);
  assertEquals(result.stdout, lines("rkt-current", "rkt-current", "success", "was asked"));
});

isolatedScenario("an app is logged to the journal, by line, stream and message of syslog(3)", {
  script: `${SERVICE} tell READY=1; echo out; echo err >&2; logger -t me -p user.warning told; ` +
    "exec sleep 100",
  commands: `${TOOLS}
    sed -i 's|"apps":\\[{|&"annotations":[{"name":"stage1-volo/log-to","value":"journald"}],|' \\
      /pods/prepared/pod
    systemctl start web-pod
    pod=CONTAINER_ID_FULL=$(current)
    eventually '[ "$(journalctl $pod --output=cat | wc -l)" = 3 ]'
    systemctl stop web-pod
    for field in MESSAGE CONTAINER_NAME CONTAINER_STREAM PRIORITY; do
      journalctl $pod --output=cat --output-fields=$field | sort | tr '\\n' ' '
      echo
    done
    finish`,
}, (result) => {
  assertQuiet(result);
  const fields = ["err me: told out ", "app app app ", "stderr stdout syslog ", "3 4 6 "];
  assertEquals(result.stdout, lines(...fields));
});

isolatedScenario("systemd finds no fault in the units of the documentation", {
  script: "true",
  commands: "cd /etc/systemd/system && systemd-analyze verify web-* rkt-gc.*",
}, (result) => assertQuiet(result));

hostScenario("a unit is active when the app that run has become is ready, and ends it", {
  script: `${READY}; ${STAY}`,
  commands: `${TOOLS}
    # The messages are those of a child of the app.
    change NotifyAccess=all
    systemctl start --no-block web-pod
    eventually '[ "$(show StatusText)" = almost ]'
    show ActiveState
    touch $pods/$(current)/stage1/rootfs/opt/stage2/app/rootfs/go
    eventually '[ "$(show ActiveState)" = active ]'
    systemctl stop web-pod
    show ActiveState; show Result; ls $pods
    finish`,
}, (result) => {
  assertQuiet(result);
  assertEquals(result.stdout, lines("activating", "inactive", "success"));
});
