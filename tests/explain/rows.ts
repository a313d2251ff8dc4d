/**
 * What each row of the table of fields comes to in a plan, and where it can be seen from outside.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync } from "node:fs";
import type { FieldName } from "../../src/plan/fields.ts";
import { editJson } from "../expect.ts";
import type { SimplePod, Stage } from "../scenario.ts";
import type { Pod } from "../stage0.ts";
import { agreeOnCgroups, agreeOnDevices, agreeOnLimits } from "./cgroups.ts";
import {
  agreeOnDirectories,
  agreeOnMasks,
  agreeOnMounts,
  agreeOnRebinds,
  agreeOnRoots,
  agreeOnVolumes,
} from "./mounts.ts";
import {
  agreeOnBandwidth,
  agreeOnHostname,
  agreeOnNamespaces,
  agreeOnNetwork,
  agreeOnPorts,
  agreeOnSysctls,
  agreeOnUsers,
} from "./namespaces.ts";
import type { SubjectName } from "./pods.ts";
import {
  agreeOnCapabilities,
  agreeOnEnvironments,
  agreeOnFilters,
  agreeOnHandler,
  agreeOnIds,
  agreeOnNames,
  agreeOnNewPrivileges,
  agreeOnOomScores,
  agreeOnPrograms,
  agreeOnStopSignal,
  agreeOnStreams,
  agreeOnWorkingDirectories,
} from "./processes.ts";
import type { Seen } from "./seen.ts";

/** Compares a plan with what is seen. */
export type Check = (seen: Seen) => void | Promise<void>;

/** Spoils a pod, or changes it. */
export type Edit = (pod: Pod, stage: Stage) => unknown;

/** What is compared on a pod that runs, and when it has ended. */
export interface Comparison {
  running?: Check;
  ended?: Check;
}

/** A pod that `explain` has to refuse in the words of `run`. */
export interface Refused {
  flavor: "host" | "isolated";
  options?: SimplePod;
  edit?: Edit;
  /** What of this machine it takes. */
  need?: { what: string; met: boolean };
}

/**
 * How a row is compared: by what is seen of pods; by the error, which has to be the one of `run`;
 * by a line about what has no effect; or not at all, as nothing is to be seen: with the field or
 * without, the plan is the same.
 */
export type Row =
  | { seen: Partial<Record<SubjectName, Comparison>> }
  | { refused: Refused }
  | { told: Partial<Record<SubjectName, RegExp>> }
  | { unseen: string; edit: Edit };

function onRunning(check: Check, ...pods: SubjectName[]): Row {
  return { seen: Object.fromEntries(pods.map((pod) => [pod, { running: check }])) };
}

function onEnded(check: Check, ...pods: SubjectName[]): Row {
  return { seen: Object.fromEntries(pods.map((pod) => [pod, { ended: check }])) };
}

/** Changes the pod manifest. */
// deno-lint-ignore no-explicit-any -- tests change manifests in ways that no type foresees
function ofPod(edit: (manifest: any) => void): Edit {
  return (pod) => editJson(`${pod.dir}/pod`, edit);
}

/** Changes the image manifest. */
// deno-lint-ignore no-explicit-any -- as above
function ofImage(edit: (manifest: any) => void): Edit {
  return (pod) => editJson(`${pod.dir}/appsinfo/app/manifest`, edit);
}

const LABELS = [{ name: "version", value: "2.0.0" }];
const DIGEST = `sha512-${"0123456789abcdef".repeat(8)}`;
const OF_STAGE0 = "stage0 has acted on it";
const OF_READERS = "it is for readers";

const limits = (isolator: string): Check => (seen) => {
  agreeOnCgroups(seen);
  agreeOnLimits(seen, isolator);
};

/** The limits of the pod's own isolators, and of each app's. */
const limitsOfAll: Check = (seen) => {
  agreeOnCgroups(seen);
  for (const name of ["os/linux/cpu-shares", "resource/memory", "resource/cpu", "block-iops"]) {
    agreeOnLimits(seen, name);
  }
  agreeOnLimits(seen, "isolators[0] (resource/memory)");
  agreeOnLimits(seen, "processes of the pod");
};

/** A host without SELinux is told of what is ignored; one with it shows the label. */
const labels: Check = ({ apps, plan }) => {
  for (const { plan: { isolators }, pid } of apps) {
    for (const { label } of isolators.labels.labels) {
      assertEquals(Deno.readTextFileSync(`/proc/${pid}/attr/current`).replace("\0", ""), label);
    }
  }
  if (existsSync("/sys/fs/selinux/enforce")) return;
  assert(plan.notes.some((note) => /selinux-context\): ignored: /.test(note)));
};

/** The app has tried one of the calls that its filter refuses. */
const filter: Check = (seen) => {
  agreeOnFilters(seen);
  const [app] = seen.apps;
  const { seccomp } = app!.plan.isolators.privileges;
  assert(seccomp !== undefined);
  if (seccomp.mode === "deny") {
    assertEquals([seccomp.syscalls.includes("mkdir"), seccomp.errno], [true, "EXDEV"]);
    assertMatch(seen.program.stdout, /cross-device link/i);
  }
};

const roots: Check = (seen) => {
  agreeOnRoots(seen);
  assert(seen.apps.some(({ plan }) => plan.readOnlyRoot));
};

/** What a link leads to is the source, and the kernel's paths are protected. */
const annotations: Check = (seen) => {
  agreeOnVolumes(seen, /mounts\[2\]$/);
  agreeOnMasks(seen);
  assert(seen.apps[0]!.plan.mounts.some(({ kind }) => kind === "mask"));
};

const SYSCTL_OF_HOST = {
  name: "os/unix/sysctl",
  value: { "vm.swappiness": "1" },
};

/** The rows. A row that is missing is an error of types. */
export const ROWS: Record<FieldName, Row> = {
  "acKind, acVersion": {
    refused: { flavor: "host", edit: ofPod((pod) => pod.acVersion = "new") },
  },
  "pod: apps": onRunning(
    (seen) => {
      agreeOnRoots(seen);
      agreeOnNames(seen);
    },
    "single",
    "several",
    "isolated",
  ),
  "pod: apps[].name": onRunning(agreeOnNames, "single", "several", "isolated", "users"),
  "pod: apps[].image": {
    unseen: OF_STAGE0,
    edit: ofPod((pod) => pod.apps[0].image = { name: "example.com/no", id: DIGEST }),
  },
  "pod: apps[].app": onRunning(agreeOnPrograms, "single", "isolated"),
  "pod: apps[].readOnlyRootFS": onRunning(roots, "single", "isolated"),
  "pod: apps[].mounts": onRunning(
    (seen) => agreeOnVolumes(seen, /\.mounts\[\d\]$/),
    "single",
    "several",
    "isolated",
    "users",
  ),
  "pod: apps[].annotations": onRunning(agreeOnStreams, "several", "isolated"),
  "pod: apps[].annotations, one app in the host's namespaces": {
    told: { single: /^apps\[0\]\.annotations\[2\] \(.*stderr\): ignored: / },
  },
  "stage1-volo/stop-timeout, one app in the host's namespaces": {
    told: { single: /^apps\[0\]\.annotations\[3\] \(.*stop-timeout\): ignored: / },
  },
  "pod: volumes (host)": onRunning((seen) => agreeOnVolumes(seen, /mounts\[[012]\]$/), "single"),
  "pod: volumes (host) behind a link": {
    refused: {
      flavor: "host",
      edit: async (pod, { dir }) => {
        await Deno.symlink("/srv", `${dir}/link`);
        await ofPod((manifest) => {
          manifest.volumes = [{ name: "data", kind: "host", source: `${dir}/link` }];
          manifest.annotations = [{ name: "stage1-volo/follow-volume-links", value: "false" }];
          manifest.apps[0].mounts = [{ volume: "data", path: "/data" }];
        })(pod, undefined!);
      },
    },
  },
  "pod: volumes (empty)": onRunning(
    (seen) => agreeOnDirectories(seen, /\/(point|seen|data)$/),
    "single",
    "several",
    "users",
  ),
  "pod: isolators": onRunning(limits("isolators[0] (resource/memory)"), "single", "several"),
  "pod: annotations": onRunning(annotations, "single"),
  "annotations for Kubernetes' logs": {
    refused: {
      flavor: "isolated",
      edit: ofPod((pod) => {
        pod.annotations = [{ name: "coreos.com/rkt/experiment/logmode", value: "k8s-plain" }];
      }),
    },
  },
  "annotations for Kubernetes' logs, without its log mode": {
    told: { isolated: /\(.*kubernetes-log-path\): ignored: the pod's / },
  },
  "annotations for Kubernetes' logs, one app in the host's namespaces": {
    told: { single: /^annotations\[1\] \(.*logmode\): ignored: the app has / },
  },
  "pod: ports": { told: { single: /^ports\[0\] \(http\): ignored: / } },
  "pod: ports, isolated": onRunning(agreeOnPorts, "network"),
  "userAnnotations, userLabels": {
    unseen: OF_READERS,
    edit: ofPod((pod) => {
      Object.assign(pod, { userAnnotations: { by: "me" }, userLabels: { tier: "web" } });
      Object.assign(pod.apps[0].app, { userAnnotations: { by: "me" }, userLabels: { a: "b" } });
    }),
  },
  "image: name, labels, dependencies, pathWhitelist": {
    unseen: OF_STAGE0,
    edit: ofImage((image) =>
      Object.assign(image, {
        name: "example.com/renamed",
        labels: LABELS,
        dependencies: [{ imageName: "example.com/base", imageID: DIGEST, size: 1 }],
        pathWhitelist: ["/nothing/else"],
      })
    ),
  },
  "image: annotations": onRunning(agreeOnStopSignal, "single"),
  "image: annotations, the operator's alone": {
    told: { isolated: /^image ".*": annotations\[1\] \(stage1-volo\/log-size\): ignored: / },
  },
  "image: groups, and isolators that ask for more than the default": {
    refused: {
      flavor: "isolated",
      edit: async (pod, stage) => {
        const set = ["CAP_SYS_ADMIN"];
        const isolators = [{ name: "os/linux/capabilities-retain-set", value: { set } }];
        await ofImage((image) => image.app.isolators = isolators)(pod, stage);
        await ofPod(({ apps: [app] }) => {
          app.app.isolators = isolators;
          app.annotations = [{ name: "stage1-volo/image-privileges", value: "false" }];
        })(pod, stage);
      },
    },
  },
  "annotation appc.io/executor/supports-systemd-notify": {
    refused: {
      flavor: "isolated",
      edit: ofImage((image) => {
        image.annotations = [{ name: "appc.io/executor/supports-systemd-notify", value: "yes" }];
      }),
    },
  },
  "app.exec": onRunning(agreeOnPrograms, "single", "several", "isolated", "users"),
  "app.user, app.group": onRunning(agreeOnIds, "single", "several", "isolated", "users"),
  "app.supplementaryGIDs": onRunning(
    (seen) => {
      agreeOnIds(seen);
      assert(seen.apps[0]!.plan.user.supplementaryGIDs.length > 0);
    },
    "single",
    "users",
  ),
  "app.workingDirectory": onRunning(agreeOnWorkingDirectories, "single", "isolated"),
  "app.environment": onRunning(agreeOnEnvironments, "single", "several", "isolated", "terminal"),
  "app.mountPoints": onRunning((seen) => agreeOnVolumes(seen, /mountPoints\[0\]$/), "single"),
  "app.mountPoints, isolated": onRunning((seen) => {
    agreeOnVolumes(seen, /mountPoints\[1\]$/);
    agreeOnDirectories(seen, /app-own$/);
    agreeOnRebinds(seen);
  }, "isolated"),
  "app.ports": {
    refused: {
      flavor: "host",
      edit: ofPod((pod) =>
        pod.apps[0].app.ports = [{ name: "http", protocol: "tcp", port: 65_536 }]
      ),
    },
  },
  "app.ports[].socketActivated": {
    refused: {
      flavor: "isolated",
      edit: ofPod((pod) =>
        pod.apps[0].app.ports = [
          { name: "http", protocol: "tcp", port: 80, socketActivated: true },
        ]
      ),
    },
  },
  "app.eventHandlers (pre-start)": onRunning((seen) => agreeOnHandler(seen, "before"), "several"),
  "app.eventHandlers (post-stop)": onEnded((seen) => agreeOnHandler(seen, "after"), "several"),
  "app.eventHandlers, isolated": {
    seen: {
      isolated: {
        running: (seen) => agreeOnHandler(seen, "before"),
        ended: (seen) => agreeOnHandler(seen, "after"),
      },
    },
  },
  "os/linux/capabilities-retain-set": onRunning(agreeOnCapabilities, "single", "users"),
  "os/linux/capabilities-remove-set": onRunning(agreeOnCapabilities, "several"),
  "os/linux/no-new-privileges": onRunning(agreeOnNewPrivileges, "single", "several", "isolated"),
  "os/linux/seccomp-retain-set, -remove-set": onRunning(filter, "single", "users"),
  "no word on capabilities or seccomp, isolated": onRunning((seen) => {
    agreeOnCapabilities(seen);
    filter(seen);
  }, "isolated"),
  "os/linux/selinux-context": onRunning(labels, "single"),
  "os/linux/apparmor-profile": {
    refused: {
      flavor: "host",
      options: {
        app: {
          isolators: [{ name: "os/linux/apparmor-profile", value: { profile: "no-such" } }],
        },
      },
      need: {
        what: "a host without AppArmor",
        met: !existsSync("/sys/module/apparmor/parameters/enabled"),
      },
    },
  },
  "os/linux/oom-score-adj": onRunning(agreeOnOomScores, "single", "several", "isolated"),
  "os/linux/cpu-shares": onRunning(limits("os/linux/cpu-shares"), "single"),
  "resource/memory": onRunning(limits("resource/memory"), "single", "several"),
  "resource/cpu": onRunning(limits("resource/cpu"), "single", "several"),
  "resource/block-bandwidth, resource/block-iops": onRunning((seen) => {
    limits("resource/block-bandwidth")(seen);
    limits("resource/block-iops")(seen);
  }, "single"),
  "os/linux/cpu-shares, resource/*, isolated": onRunning(limitsOfAll, "isolated"),
  "resource/network-bandwidth": { told: { single: /network-bandwidth\): not enforced: / } },
  "resource/network-bandwidth, isolated": onRunning(agreeOnBandwidth, "network"),
  "os/unix/sysctl": {
    refused: {
      flavor: "host",
      edit: ofPod((pod) => pod.isolators = [SYSCTL_OF_HOST]),
    },
  },
  "os/unix/sysctl, isolated": onRunning(agreeOnSysctls, "isolated"),
  "a limit that the host cannot enforce": {
    told: { bare: /\(resource\/memory\): not enforced: no cgroup/ },
  },
  "unknown isolators": { told: { single: /gravity\): ignored: / } },
  "unknown annotations": { told: { single: /stop-singal\): ignored: / } },
  "other fields": {
    unseen: "it is not remarked on",
    edit: ofPod((pod) => {
      pod.future = { of: ["appc"] };
      pod.apps[0].app.unknown = 1;
    }),
  },
};

/** What no field of the manifests decides alone: flavors and flags. */
export const OTHERS: Partial<Record<SubjectName, Record<string, Check>>> = {
  single: {
    "the mounts": agreeOnMounts,
    "the streams": agreeOnStreams,
    namespaces: agreeOnNamespaces,
  },
  several: { "the mounts": agreeOnMounts, namespaces: agreeOnNamespaces },
  isolated: {
    "the mounts": agreeOnMounts,
    "the kernel's paths": agreeOnMasks,
    "the devices": agreeOnDevices,
    "--hostname": agreeOnHostname,
    "--net=none": agreeOnNetwork,
    namespaces: agreeOnNamespaces,
  },
  users: {
    "the mounts": agreeOnMounts,
    "--private-users": agreeOnUsers,
    "--hostname": agreeOnHostname,
    namespaces: agreeOnNamespaces,
  },
  network: { "--net=default": agreeOnNetwork, namespaces: agreeOnNamespaces },
  terminal: {
    "the mounts": agreeOnMounts,
    "--interactive": agreeOnStreams,
    "--net=host, --ipc=parent": agreeOnNamespaces,
    "--disable-paths": agreeOnMasks,
  },
};
