/**
 * What tests plan pods from: a pod made of its manifests, the arguments that stage0 passes when its
 * user asks for nothing, and a host of which nothing is known.
 *
 * @module
 */

import { ImageManifest, PodManifest } from "../appc/manifest.ts";
import { parseManifest } from "../appc/parse.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Pod } from "../stage1/pod.ts";
import type { HostFacts } from "./host_facts.ts";

/** The arguments of a `run` whose caller asks for nothing. */
export const ARGUMENTS: RunArguments = {
  uuid: "6733c088-a507-4694-aabf-edbe4fc5266f",
  debug: false,
  net: "default",
  interactive: false,
  mdsToken: "",
  localConfig: "/etc/rkt",
  privateUsers: "",
  hostname: "",
  disableCapabilities: false,
  disablePaths: false,
  disableSeccomp: false,
  dns: { resolv: "default", hosts: "default" },
  mutable: false,
  ipc: "auto",
};

/** A host with nothing that a pod could ask for. */
export const NO_FACTS: HostFacts = {
  mounts: [],
  sources: new Map(),
  cgroups: { v1: [], v2: [] },
  blockDevices: [],
  sysctls: new Map(),
  securityModules: { selinux: false, apparmor: false },
  callerStreams: { stdin: "pipe", stdout: "pipe", stderr: "pipe" },
  terminalType: undefined,
  notifySocket: undefined,
  sockets: [],
  rootOwners: new Map(),
  networkFiles: [],
  hasBandwidthPlugin: false,
};

/** What the manifests hold. The rest of them is the same in each test. */
export interface PodContent {
  /** Fields of the app in the image manifest; all apps are from this image. */
  image?: object;
  /** Annotations of the image. */
  annotations?: object[];
  /**
   * Fields of each app in the pod manifest, by name. An app that is undefined has what its image
   * holds.
   */
  apps?: Record<string, object | undefined>;
  /** Fields of the pod manifest. */
  pod?: object;
}

const APP = { exec: ["/bin/server"], user: "0", group: "0" };

/** Composes a pod. It has one app called `server`, unless the content names others. */
export function composePod(content: PodContent): Pod {
  const { image = {}, annotations = [], apps = { server: undefined }, pod = {} } = content;
  const imageManifest = {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: "example.com/server",
    app: { ...APP, ...image },
    annotations,
  };
  const runtimeApps = Object.entries(apps).map(([name, app]) => ({
    name,
    ...(app && { app: { ...APP, ...app } }),
  }));
  const podManifest = { acKind: "PodManifest", acVersion: "0.8.11", apps: runtimeApps, ...pod };
  const manifest = parseManifest(JSON.stringify(podManifest), PodManifest(), "pod");
  const ofImage = parseManifest(JSON.stringify(imageManifest), ImageManifest(), "image");
  return {
    manifest,
    apps: manifest.apps.map((runtime, i) => ({
      field: `apps[${i}]`,
      name: runtime.name,
      app: runtime.app ?? ofImage.app!,
      runtime,
      image: ofImage,
    })),
  };
}
