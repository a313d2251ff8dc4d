/**
 * The plan of how an app's processes are started, once its root is there: at the pod's begin, and
 * each time that an app is started which was added.
 *
 * @module
 */

import type { Flavor } from "../stage1/flavor.ts";
import type { Pod, PodApp } from "../stage1/pod.ts";
import { metadataUrl, type RecordedRun } from "../stage1/runtime_config.ts";
import { composeEnvironment } from "./environment.ts";
import { type IdRange, parsePrivateUsers } from "./id_range.ts";
import { type IsolatorPlan, isolatorsOfApp, isolatorsOfPod, planIsolators } from "./isolators.ts";
import type { SecurityModules } from "./process/security_label.ts";
import { planStop, type StopPlan } from "./stop.ts";

/** A program, which may still have to be looked up, and its arguments. */
export interface EventProgram {
  exec: [string, ...string[]];
  /** Its place in the manifest: `apps[0].app.eventHandlers[0]`. */
  field: string;
  /** Whether it runs as root, whoever the app's user is. */
  asRoot: boolean;
}

/** A moment of an app's life. */
type EventName = "pre-start" | "post-stop";

/** How the processes of an app are started. */
export interface StartPlan {
  /** Its place in the pod manifest: `apps[0]`. */
  field: string;
  name: string;
  environment: Map<string, string>;
  /** The pod's ids, if it has its own. */
  ids: IdRange | undefined;
  workingDirectory: string;
  /** The program that runs to its end before the app starts, if there is one. */
  preStart: EventProgram | undefined;
  /** The program that runs when the app has ended, if there is one. */
  postStop: EventProgram | undefined;
  /** The program, which may still have to be looked up, and its arguments. */
  exec: [string, ...string[]];
  /** How it is asked to end. */
  stop: StopPlan;
  /** What its processes may do, and how ready the kernel is to kill them. */
  isolators: IsolatorPlan;
}

/** What decides how an app is started besides its own manifests. */
export interface StartOptions {
  flavor: Flavor;
  /** The pod's ids, if it has its own. */
  ids: IdRange | undefined;
  /** The URL of the pod's metadata service, if it has one. */
  metadataUrl: string | undefined;
}

/**
 * Decides how an app's processes are started.
 *
 * @param isolators What they may do.
 * @throws {Error} when a field is wrong; the message names it.
 */
export function planStart(
  app: PodApp,
  isolators: IsolatorPlan,
  { flavor, ids, metadataUrl }: StartOptions,
): StartPlan {
  return {
    field: app.field,
    name: app.name,
    environment: composeEnvironment(app.app.environment, app.name, metadataUrl),
    ids,
    workingDirectory: app.app.workingDirectory || "/",
    preStart: findHandler("pre-start", app, flavor),
    postStop: findHandler("post-stop", app, flavor),
    exec: requireProgram(app),
    stop: planStop(app),
    isolators,
  };
}

/**
 * Decides how the processes of an app are started that was added to a pod which runs. What of its
 * manifests has no effect was told when it was added.
 *
 * @param run What the pod was started with.
 * @throws {Error} when a field is wrong; the message names it.
 */
export function planAddedStart(
  pod: Pod,
  app: PodApp,
  { args, network }: RecordedRun,
  flavor: Flavor,
  modules: SecurityModules,
): StartPlan {
  const options = { ...args, flavor };
  const { plan } = planIsolators(isolatorsOfApp(app), isolatorsOfPod(pod), options, modules);
  return planStart(app, plan, {
    flavor,
    ids: flavor === "isolated" ? parsePrivateUsers(args.privateUsers) : undefined,
    metadataUrl: metadataUrl(args.mdsToken, network.hostIP),
  });
}

function requireProgram({ app, field, image }: PodApp): [string, ...string[]] {
  const [program, ...args] = app.exec;
  if (!program) {
    throw new Error(`${field}.app.exec: image "${image.name}" has no program to run (try --exec)`);
  }
  return [program, ...args];
}

/**
 * In an isolated pod, handlers are root's, as rkt's own images have it: they prepare what the app's
 * user may not. The app's limits, capabilities and filter hold for them too.
 */
function findHandler(
  event: EventName,
  { app, field }: PodApp,
  flavor: Flavor,
): EventProgram | undefined {
  const i = app.eventHandlers.findIndex(({ name }) => name === event);
  const handler = app.eventHandlers[i];
  if (handler === undefined) return undefined;
  const place = `${field}.app.eventHandlers[${i}]`;
  const [program, ...args] = handler.exec;
  if (!program) throw new Error(`${place}.exec: no program to run`);
  return { exec: [program, ...args], field: place, asRoot: flavor === "isolated" };
}
