/**
 * The facts of the host that the plan of a pod needs, as plain data.
 *
 * The manifests and the arguments decide what to look at ({@linkcode planQuestions}). The
 * entrypoint looks once (`pod/host_facts.ts`), and changes nothing. Then everything is decided
 * without another look ({@linkcode planPod}).
 *
 * @module
 */

import type { Cgroups } from "../linux/cgroup_paths.ts";
import type { Mount } from "../linux/mountinfo.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Flavor } from "../stage1/flavor.ts";
import type { Pod } from "../stage1/pod.ts";
import { appRootfs } from "../stage1/pod_directory.ts";
import type { GivenSocket } from "./activation.ts";
import { needBlockDevices, needCgroups } from "./cgroup/resources.ts";
import { isolatorsOfApp, isolatorsOfPod } from "./isolators.ts";
import { planNamespaceKinds, runBecomesApp } from "./namespaces.ts";
import type { ConfigurationFile } from "./network/configuration.ts";
import { needSecurityModules, type SecurityModules } from "./process/security_label.ts";
import type { SourceFacts } from "./rootfs/mounts.ts";
import { matchVolumes, mountRulesOf } from "./rootfs/volumes.ts";
import type { CallerStream, Stream } from "./stdio.ts";
import { type HostSysctls, sharedSysctls, type SysctlQuestion } from "./sysctl.ts";

/** Facts of the host. What nobody asked for is empty. */
export interface HostFacts {
  /** The mount table. */
  mounts: readonly Mount[];
  /** Facts of the volumes' sources, by the paths that the volumes give. */
  sources: ReadonlyMap<string, SourceFacts>;
  cgroups: Cgroups;
  /** `MAJOR:MINOR` of each whole block device. */
  blockDevices: readonly string[];
  /** The host's values of the settings that the pod shares, by the names that the pod gives. */
  sysctls: HostSysctls;
  securityModules: SecurityModules;
  /** The kinds of the caller's standard streams. */
  callerStreams: Readonly<Record<Stream, CallerStream>>;
  /** The caller's `TERM`. */
  terminalType: string | undefined;
  /** The caller's `NOTIFY_SOCKET`. */
  notifySocket: string | undefined;
  /** The sockets that `run` was given: `LISTEN_FDS`. */
  sockets: readonly GivenSocket[];
  /** The user who owns each app's root on the host, by the app's name. */
  rootOwners: ReadonlyMap<string, number>;
  /** The user's network configurations, in the order of their names. */
  networkFiles: readonly ConfigurationFile[];
  /** Whether there is a plugin that shapes traffic. */
  hasBandwidthPlugin: boolean;
}

/** What to look at on the host. */
export interface HostQuestions {
  /** The sources of volumes, and the fields that name them. */
  sources: readonly { path: string; field: string }[];
  needsCgroups: boolean;
  needsBlockDevices: boolean;
  sysctls: readonly SysctlQuestion[];
  securityModules: SecurityModules;
  /** The apps' roots, relative to the pod directory, where their owners matter. */
  roots: readonly { app: string; rootfs: string; field: string }[];
  needsNetworkFiles: boolean;
  needsBandwidthPlugin: boolean;
}

/**
 * Decides what to look at before a pod can be planned.
 *
 * @throws {Error} when a field is wrong; the message names it.
 */
export function planQuestions(pod: Pod, args: RunArguments, flavor: Flavor): HostQuestions {
  const kinds = planNamespaceKinds(args, flavor);
  const ofPod = isolatorsOfPod(pod);
  const ofApps = pod.apps.map(isolatorsOfApp);
  const isolators = [...ofApps, ofPod];
  return {
    sources: pod.apps.flatMap((app) => matchVolumes(pod, app, mountRulesOf(flavor)))
      .flatMap(({ volume, field }) =>
        volume.kind === "host" ? [{ path: volume.source, field }] : []
      ),
    needsCgroups: !runBecomesApp(pod, flavor) || needCgroups(isolators),
    needsBlockDevices: needBlockDevices(isolators),
    sysctls: isolators.flatMap((it) => sharedSysctls(it, kinds)),
    securityModules: needSecurityModules(isolators),
    roots: flavor === "isolated" && args.privateUsers !== ""
      ? pod.apps.map(({ name, field }) => ({ app: name, rootfs: appRootfs(name), field }))
      : [],
    needsNetworkFiles: kinds.includes("net"),
    needsBandwidthPlugin: kinds.includes("net") &&
      isolators.some(({ networkBandwidth }) => networkBandwidth !== undefined),
  };
}
