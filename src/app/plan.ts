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
import { type HostFacts, type MountPlan, planMounts, type SourceFacts } from "./mount_plan.ts";
import type { UserRequest } from "./user.ts";
import { matchVolumes, type VolumeMount } from "./volumes.ts";

/** What the pod's arguments, and not its manifests, decide about an app. */
export interface AppOptions {
  dns: DnsConfMode;
  /** Where the pod's metadata service is, if it has one. */
  metadataUrl: string | undefined;
}

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
  /** The program, which may still have to be looked for, and its arguments. */
  exec: [string, ...string[]];
  /** What of the manifests has no effect, and why: one line each. */
  ignored: string[];
}

const IGNORED_ISOLATOR = "ignored: this image applies no isolators";

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
  return {
    ...planMounts(volumes, options.dns, lookAtHost(volumes)),
    field: app.field,
    name: app.name,
    rootfs: appRootfs(app.name),
    environment: composeEnvironment(app.app.environment, app.name, options.metadataUrl),
    user: requestUser(app),
    workingDirectory: app.app.workingDirectory || "/",
    exec: requireProgram(app),
    ignored: ignoredFields(pod, app),
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

function ignoredFields(pod: Pod, { app, runtime, field }: PodApp): string[] {
  const isolators = [
    ...pod.manifest.isolators.map(({ name }, i) => `isolators[${i}] (${name})`),
    ...app.isolators.map(({ name }, i) => `${field}.app.isolators[${i}] (${name})`),
  ].map((isolator) => `${isolator}: ${IGNORED_ISOLATOR}`);
  const handlers = app.eventHandlers.map(({ name }, i) =>
    `${field}.app.eventHandlers[${i}] (${name}): ignored: this image runs no event handlers`
  );
  const readOnly = runtime.readOnlyRootFS
    ? [`${field}.readOnlyRootFS: ignored: the app's root stays writable`]
    : [];
  return [...isolators, ...handlers, ...readOnly];
}

function lookAtHost(volumes: readonly VolumeMount[]): HostFacts {
  const sources = new Map<string, SourceFacts>();
  for (const { volume, field } of volumes) {
    if (volume.kind === "host") sources.set(volume.source, lookAtSource(volume.source, field));
  }
  return { mounts: sources.size === 0 ? [] : readMounts(), sources };
}

function lookAtSource(path: string, field: string): SourceFacts {
  try {
    using fd = openFile(path, O_PATH);
    const { mountId, isMountRoot } = statFd(fd);
    return { realPath: pathOf(fd), mountId, isMountRoot };
  } catch (error) {
    throw new Error(`${field}: source of the volume`, { cause: error });
  }
}
