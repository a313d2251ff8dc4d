/**
 * `app-start`: an app that was added to a pod is started. Its supervisor, which has no privileges
 * for that, hands out the descriptors of the pod, of the app and of the streams that it has made,
 * and says what to launch. In return, it gets the processes and the sockets of their minders.
 *
 * When this process ends half-way, what it has launched ends with it.
 *
 * @module
 */

import { ControlClient } from "../control/client.ts";
import type { NamedFd, ReceivedFds } from "../control/envelope.ts";
import {
  APP_FDS,
  type LaunchedProcess,
  LaunchOrder,
  type LaunchPhase,
  phaseFd,
  POD_FDS,
} from "../control/messages.ts";
import { clearInherited } from "../linux/capability_sets.ts";
import type { Fd } from "../linux/fd.ts";
import { setOwner } from "../linux/ownership.ts";
import { fileSystemType, PIPEFS_MAGIC } from "../linux/stat.ts";
import { isTerminal } from "../linux/terminal.ts";
import {
  ATTACHED_TERMINAL,
  environmentEntries,
  forTerminal,
  withAccount,
} from "../plan/environment.ts";
import { isolatorsOfApp, isolatorsOfPod } from "../plan/isolators.ts";
import { needSecurityModules } from "../plan/process/security_label.ts";
import { planAddedStart, type StartPlan } from "../plan/start.ts";
import type { HeldProcess } from "../process/held_process.ts";
import type { Launch } from "../process/launch.ts";
import { launchDeferred, launchMinded, type Minding } from "../process/minded_launch.ts";
import { tryOomScore } from "../process/oom_score.ts";
import { selfConfine } from "../process/self_confine.ts";
import { findSupervisor } from "../process/supervisor_process.ts";
import { APP_START, type AppArguments } from "../stage1/arguments.ts";
import { loadCredentials } from "../stage1/credentials_file.ts";
import { loadEnvironment } from "../stage1/environment_file.ts";
import { readFlavor } from "../stage1/flavor.ts";
import { type Debug, debugLog, printable, warn } from "../stage1/log.ts";
import { findAddedApp, loadPodOf } from "../stage1/pod.ts";
import { describeProcess } from "../stage1/processes_file.ts";
import { loadRun } from "../stage1/runtime_config.ts";
import { giveTerminal, type Stdio } from "../stream/stdio.ts";
import {
  type AppProgram,
  type JoinedNamespaces,
  ownerOf,
  ROOT,
  type StartableApp,
  startProgram,
} from "./app.ts";
import { lookAtSecurityModules } from "./host_facts.ts";

/**
 * Starts an app of the pod in whose directory this process works: its pre-start handler, and then
 * the app itself.
 *
 * @throws {Error} when it cannot be started; it names the field of the manifest.
 */
export function startApp({ app: name, ...args }: AppArguments): void {
  const debug = debugLog(APP_START.name, args.debug);
  using client = new ControlClient();
  let context: OrderContext | undefined;
  let order = client.ask({ do: "start", app: name }, LaunchOrder);
  try {
    while ("launch" in order.message) {
      using fds = order.fds;
      context ??= prepareToLaunch(name, client, debug);
      launchAll(order.message.launch, fds, context);
      order = client.receive(LaunchOrder);
    }
  } catch (error) {
    client.sendFailure(error);
    throw error;
  }
}

function prepareToLaunch(name: string, client: ControlClient, debug: Debug): OrderContext {
  const plan = planStartOf(name);
  clearInherited();
  selfConfine(APP_START.name, debug);
  const supervisor = findSupervisor(client.supervisorPid());
  if (supervisor === undefined) throw new Error("the pod has ended");
  for (const line of tryOomScore(plan.isolators.oomScore, debug)) warn(APP_START.name, line);
  const user = { credentials: loadCredentials(name), environment: loadEnvironment(name) };
  return { plan, user, supervisor, client, debug };
}

function planStartOf(name: string): StartPlan {
  const pod = loadPodOf(name);
  const app = findAddedApp(pod, name);
  const modules = needSecurityModules([isolatorsOfApp(app), isolatorsOfPod(pod)]);
  return planAddedStart(pod, app, loadRun(), readFlavor(), lookAtSecurityModules(modules));
}

/** Who runs a program, with which environment. */
type ProgramUser = Pick<AppProgram, "credentials" | "environment">;

/** What an order is carried out with. */
interface OrderContext {
  plan: StartPlan;
  /** As saved when the app was added: `enter` gives the same. */
  user: ProgramUser;
  supervisor: HeldProcess;
  client: ControlClient;
  debug: Debug;
}

/** What the processes of one order are launched with. */
interface Ordered extends OrderContext {
  app: StartableApp;
  namespaces: JoinedNamespaces | undefined;
  /** What is let go once the processes have been handed over. */
  held: DisposableStack;
}

/** A process that is handed over. */
interface HandedProcess {
  process: LaunchedProcess;
  fds: NamedFd[];
}

/**
 * Launches processes, and hands them over. One that is deferred comes first: if it cannot be made
 * ready, no other has begun.
 *
 * @param fds What came with the order.
 * @throws {Error} when one cannot be launched. The supervisor has been told then.
 */
function launchAll(phases: readonly LaunchPhase[], fds: ReceivedFds, context: OrderContext): void {
  using held = new DisposableStack();
  const take = (name: string) => held.use(fds.take(name));
  const app = {
    plan: context.plan,
    root: { mounts: take(APP_FDS.mounts), root: take(APP_FDS.root) },
    procsFds: fds.takeAll(APP_FDS.cgroup).map((fd) => held.use(fd)),
  };
  const namespaces = takeNamespaces(fds, held);
  const order = { ...context, app, namespaces, held };
  const streamsOf = (phase: LaunchPhase) =>
    (["stdin", "stdout", "stderr"] as const).map((stream) => take(phaseFd(phase, stream)));
  const launched = phases.toReversed()
    .map((phase) => launchPhase(phase, stdioOf(streamsOf(phase)), order));
  const processes = launched.map(({ process }) => process).reverse();
  context.client.send({ launched: processes }, launched.flatMap((it) => it.fds));
}

/** Takes the namespaces of an isolated pod. A pod in the host's namespaces has none. */
function takeNamespaces(fds: ReceivedFds, held: DisposableStack): JoinedNamespaces | undefined {
  const take = (name: string) => {
    const fd = fds.takeIfThere(name);
    return fd && held.use(fd);
  };
  const pidNamespace = take(POD_FDS.pid);
  if (pidNamespace === undefined) return undefined;
  const kinds = ["net", "uts", "ipc"] as const;
  return {
    pidNamespace,
    joined: kinds.flatMap((kind) => {
      const fd = take(POD_FDS[kind]);
      return fd ? [{ kind, fd }] : [];
    }),
    users: take(POD_FDS.users),
  };
}

function stdioOf([stdin, stdout, stderr]: readonly Fd[]): Stdio {
  return {
    fds: [stdin!, stdout!, stderr!],
    hasTerminal: isTerminal(stdin!.number),
    isCallers: false,
  };
}

function launchPhase(phase: LaunchPhase, stdio: Stdio, order: Ordered): HandedProcess {
  const { plan, app, namespaces, supervisor, held, debug } = order;
  const program = programOf(order, phase, stdio);
  giveStreams(stdio, program, plan);
  debug(`launch ${program.exec[0]} as user ${program.credentials.uid}: ${program.field}`);
  const minding: Minding = { supervisor, oomScore: plan.isolators.oomScore?.value };
  const start = <T>(act: (process: Launch) => T) =>
    startProgram(app, program, namespaces, stdio, act);
  if (phase === "post-stop") {
    const describe = (call: string) => printable(`run: ${program.field}.exec[0]: ${call}: `);
    const minder = held.use(start((process) => launchDeferred(process, minding, describe)));
    return { process: { phase }, fds: [[phaseFd(phase, "minder"), minder]] };
  }
  const look = (pid: number) => describeProcess(plan.name, pid, app.root.mounts);
  const { pid, process, minder, seen } = start((it) => launchMinded(it, minding, look));
  held.use(process);
  held.use(minder);
  return {
    process: { phase, pid, record: seen },
    fds: [[phaseFd(phase, "process"), process], [phaseFd(phase, "minder"), minder]],
  };
}

function programOf(
  { plan, user }: OrderContext,
  phase: LaunchPhase,
  { hasTerminal }: Stdio,
): AppProgram {
  const { exec, field, asRoot } = phase === "running"
    ? { exec: plan.exec, field: `${plan.field}.app`, asRoot: false }
    : (phase === "pre-start" ? plan.preStart : plan.postStop)!;
  const { credentials, environment } = asRoot ? rootOf(plan) : user;
  // Whoever attaches to its terminal comes later.
  const terminalType = hasTerminal ? ATTACHED_TERMINAL : undefined;
  return { exec, field, credentials, environment: forTerminal(environment, terminalType) };
}

function rootOf({ environment }: StartPlan): ProgramUser {
  const { credentials, account } = ROOT;
  return { credentials, environment: environmentEntries(withAccount(environment, account)) };
}

/**
 * Gives the streams that were made for a program to its user, who could not open them by their
 * paths in /proc otherwise. Its other streams belong to others.
 */
function giveStreams({ fds }: Stdio, { credentials }: AppProgram, { ids }: StartPlan): void {
  const { uid, gid } = ownerOf(credentials, ids);
  for (const fd of fds) {
    if (fileSystemType(fd) === PIPEFS_MAGIC) setOwner(fd, uid, gid);
    else if (isTerminal(fd.number)) giveTerminal(fd, uid);
  }
}
