/**
 * Everything that is done to start an app, decided from the manifests and a look at the host, before any
 * of it is done.
 *
 * @module
 */

import { O_PATH, openFile, pathOf, statFd } from "../linux/file.ts";
import { readMounts } from "../linux/mountinfo.ts";
import type { DnsConfMode } from "../stage1/arguments.ts";
import type { Pod, PodApp } from "../stage1/pod.ts";
import { appRootfs } from "../stage1/pod_directory.ts";
import { composeEnvironment } from "./environment.ts";
import { KERNEL_PATHS } from "./kernel_paths.ts";
import {
  type HostFacts,
  type MountOptions,
  type MountPlan,
  planMounts,
  type SourceFacts,
} from "./mount_plan.ts";
import { type Policy, readPolicy } from "./policy.ts";
import type { UserRequest } from "./user.ts";
import { matchVolumes, type VolumeMount } from "./volumes.ts";
import { naming } from "../stage1/naming.ts";
import { refuseField } from "./fields.ts";
import { checkPorts } from "./ports.ts";
import { type IsolatorPlan, planIsolators } from "./isolator_plan.ts";

/** What the pod's arguments, and not its manifests, decide about an app. */
export interface AppOptions {
  dns: DnsConfMode;
  /** Where the pod's metadata service is, if it has one. */
  metadataUrl: string | undefined;
  /** Whether stage0's user wants the kernel's paths left as they are, whatever else is asked for. */
  disablePaths: boolean;
  /** Whether stage0's user wants the isolators about capabilities, or about system calls, passed over. */
  disableCapabilities: boolean;
  disableSeccomp: boolean;
}

/** A program, which may still have to be looked for, and its arguments. */
export interface EventProgram {
  exec: [string, ...string[]];
  /** Where the manifest has it: `apps[0].app.eventHandlers[0]`. */
  field: string;
}

/** A moment of an app's life. */
export type EventName = "pre-start" | "post-stop";

/** How an app is started. */
export interface AppPlan extends MountPlan {
  /** Where the pod manifest has it: `apps[0]`. */
  field: string;
  name: string;
  /** Its root, relative to the pod directory. */
  rootfs: string;
  environment: Map<string, string>;
  user: UserRequest;
  workingDirectory: string;
  /** What runs to its end before the app starts, if anything does. */
  preStart: EventProgram | undefined;
  /** What runs when the app has ended, if anything does. */
  postStop: EventProgram | undefined;
  /** The program, which may still have to be looked for, and its arguments. */
  exec: [string, ...string[]];
  /** What it may use, do and call. */
  isolation: IsolatorPlan;
  /** What of the manifests has no effect, and why: one line each. */
  ignored: string[];
}

/** How images that docker2aci made are told. */
const DOCKER_ANNOTATION = "appc.io/docker/repository";

/**
 * Decides how to start an app.
 *
 * Looks at the mount table and at the volumes' sources, changes nothing, and needs no privileges.
 *
 * @throws {Error} which names the field that is wrong.
 */
export function planApp(pod: Pod, app: PodApp, options: AppOptions): AppPlan {
  const volumes = matchVolumes(pod, app);
  const policy = readPolicy(pod);
  const isolation = planIsolators(pod, app, options);
  const mountOptions: MountOptions = {
    dns: options.dns,
    readOnlyRoot: app.runtime.readOnlyRootFS ?? false,
    protectKernelPaths: options.disablePaths ? undefined : policy.protectKernelPaths,
  };
  return {
    ...planMounts(volumes, mountOptions, lookAtHost(volumes, policy)),
    field: app.field,
    name: app.name,
    rootfs: appRootfs(app.name),
    environment: composeEnvironment(app.app.environment, app.name, options.metadataUrl),
    user: requestUser(app),
    workingDirectory: app.app.workingDirectory || "/",
    preStart: findHandler("pre-start", app, isolation),
    postStop: findHandler("post-stop", app, isolation),
    exec: requireProgram(app),
    isolation,
    ignored: [...checkPorts(pod, app), ...isolation.notes],
  };
}

/** Whom the manifests of an app ask it to run as. */
export function requestUser({ app, image, field }: PodApp): UserRequest {
  const imageUser = image.app;
  return {
    user: app.user,
    group: app.group,
    supplementaryGIDs: app.supplementaryGIDs,
    groupMayBeUser: image.annotations.some(({ name }) => name === DOCKER_ANNOTATION) &&
      imageUser?.user === imageUser?.group && app.group === imageUser?.group,
    field: `${field}.app`,
  };
}

function requireProgram({ app, field, image }: PodApp): [string, ...string[]] {
  const [program, ...args] = app.exec;
  if (!program) {
    throw new Error(`${field}.app.exec: image "${image.name}" has no program to run (try --exec)`);
  }
  return [program, ...args];
}

function findHandler(
  event: EventName,
  { app, field }: PodApp,
  { privileges }: IsolatorPlan,
): EventProgram | undefined {
  const i = app.eventHandlers.findIndex(({ name }) => name === event);
  const handler = app.eventHandlers[i];
  if (handler === undefined) return undefined;
  const place = `${field}.app.eventHandlers[${i}]`;
  const [program, ...args] = handler.exec;
  if (!program) throw new Error(`${place}.exec: no program to run`);
  if (privileges.seccomp) throw refuseField("app.eventHandlers with seccomp", place);
  return { exec: [program, ...args], field: place };
}

function lookAtHost(volumes: readonly VolumeMount[], policy: Policy): HostFacts {
  const sources = new Map<string, SourceFacts>();
  for (const { volume, field } of volumes) {
    if (volume.kind === "host") {
      sources.set(volume.source, lookAtSource(volume.source, field, policy));
    }
  }
  return {
    mounts: sources.size === 0 ? [] : readMounts(),
    sources,
    kernelPaths: new Set(policy.protectKernelPaths ? KERNEL_PATHS.filter(exists) : []),
  };
}

function lookAtSource(path: string, field: string, policy: Policy): SourceFacts {
  const facts = naming(`${field}: source of the volume`, () => {
    using fd = openFile(path, O_PATH);
    const { mountId, isMountRoot } = statFd(fd);
    return { realPath: pathOf(fd), mountId, isMountRoot };
  });
  if (facts.realPath !== normalize(path) && !policy.followVolumeLinks) {
    throw refuseField(
      "pod: volumes (host) behind a link",
      `${field}: source of the volume: ${path} leads through a symbolic link to ${facts.realPath}`,
    );
  }
  return facts;
}

/** The path without doubled and trailing slashes and dots, as it would be if there were no links. */
function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function exists(path: string): boolean {
  try {
    using _fd = openFile(path, O_PATH);
    return true;
  } catch {
    return false;
  }
}
