/**
 * The pod that stage0 composed, as its manifests describe it.
 *
 * @module
 */

import type * as z from "zod/mini";
import { type App, ImageManifest, PodManifest, type RuntimeApp } from "../appc/manifest.ts";
import { parseManifest } from "../appc/parse.ts";
import { decodeText, quoteText } from "../linux/text.ts";
import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** The most bytes of a manifest. The arguments and variables in it must fit into an execve(2). */
const LARGEST_MANIFEST = 4 * 1024 * 1024;

/** An app of the pod, with its part of the manifests. */
export interface PodApp {
  /** The app's place in the pod manifest, for errors: `apps[0]`, or `apps["web"]` if added. */
  field: string;
  name: string;
  /** The `app` of the pod manifest; that of the image where the pod manifest has none. */
  app: App;
  runtime: RuntimeApp;
  image: ImageManifest;
}

/** A pod as stage0 composed it. */
export interface Pod {
  manifest: PodManifest;
  apps: PodApp[];
}

/**
 * Finds an app of a pod.
 *
 * @throws {Error} when there is none of this name.
 */
export function findApp({ apps }: Pod, name: string): PodApp {
  const app = apps.find((it) => it.name === name);
  if (app === undefined) throw new Error(`the pod has no app ${quoteText(name)}`);
  return app;
}

/**
 * Finds an app that was added to a pod. Errors name it by its name: its place in the manifest
 * changes when others are removed.
 *
 * @throws {Error} when there is none of this name.
 */
export function findAddedApp(pod: Pod, name: string): PodApp {
  return { ...findApp(pod, name), field: `apps[${quoteText(name)}]` };
}

/**
 * Reads and checks the manifests of a pod.
 *
 * @param directory The pod directory.
 * @throws {Error} when a manifest cannot be read or is malformed; it names the file and the field.
 */
export function loadPod(directory = "."): Pod {
  return loadApps(directory, () => true);
}

/**
 * Reads and checks the manifest of a pod, and of its apps only that of one. Another one may be
 * about to be removed: rkt then deletes its files before the pod's manifest forgets it.
 *
 * @param name The app. If the pod has none of this name, the result has no app.
 * @param directory The pod directory.
 * @throws {Error} as {@linkcode loadPod} does.
 */
export function loadPodOf(name: string, directory = "."): Pod {
  return loadApps(directory, (app) => app.name === name);
}

function loadApps(directory: string, isWanted: (app: RuntimeApp) => boolean): Pod {
  const manifest = readManifest(directory, POD_PATHS.manifest, PodManifest());
  const apps = manifest.apps.flatMap((runtime, i) =>
    isWanted(runtime) ? [loadApp(directory, runtime, `apps[${i}]`)] : []
  );
  return { manifest, apps };
}

function loadApp(directory: string, runtime: RuntimeApp, field: string): PodApp {
  const image = readManifest(directory, `appsinfo/${runtime.name}/manifest`, ImageManifest());
  const app = runtime.app ?? image.app;
  if (!app) throw new Error(`${field}.app: missing, and its image has none either`);
  return { field, name: runtime.name, app, runtime, image };
}

function readManifest<S extends z.ZodMiniType>(
  directory: string,
  name: string,
  schema: S,
): z.infer<S> {
  const path = `${directory}/${name}`;
  const { size } = withContext(`${name}: cannot be read`, () => Deno.statSync(path));
  if (size > LARGEST_MANIFEST) {
    throw new Error(`${name}: ${size} bytes are more than a manifest may have`);
  }
  return parseManifest(
    withContext(`${name}: cannot be read`, () => decodeText(Deno.readFileSync(path))),
    schema,
    name,
  );
}
