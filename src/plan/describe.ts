/**
 * A whole plan in words, or as JSON: what `deno task explain` prints.
 *
 * @module
 */

import type { NamedFilter } from "../linux/named_filter.ts";
import { signalName } from "../linux/signal_names.ts";
import { printable } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { AddedAppPlan } from "./added_app.ts";
import type { AppPlan } from "./app.ts";
import { FIRST_PROCESS_CGROUP } from "./cgroup/names.ts";
import type { PodCgroupPlan } from "./cgroup/pod_cgroups.ts";
import {
  describeAppCgroups,
  describeCgroup,
  describeDirectory,
  describeMasks,
  describeMount,
  describeShare,
  indent,
} from "./describe_steps.ts";
import { ACCOUNT_VARIABLES, environmentEntries } from "./environment.ts";
import type { LogPlan, LogTarget } from "./log.ts";
import type { PortMapping } from "./network/forwarded_ports.ts";
import type { NetworkPlan } from "./network/networks.ts";
import type { NotificationPlan } from "./notification.ts";
import type { PodPlan, SingleAppPlan, SupervisedPlan } from "./pod.ts";
import { STANDARD_DEVICES } from "./rootfs/devices.ts";
import type { EventProgram } from "./start.ts";
import type { StreamTarget } from "./stdio.ts";
import { type StopPlan, USUAL_STOP } from "./stop.ts";

/**
 * Describes a whole plan, in the order in which it is carried out: one line for each thing that is
 * done. What belongs to another line is indented below it.
 */
export function describePlan(plan: PodPlan): string[] {
  const lines = plan.runBecomes === "app" ? describeSingleApp(plan) : describeSupervised(plan);
  return [describeOutcome(plan), ...describeNotes(plan.notes), ...lines].map(printable);
}

/**
 * Describes how an app is added to a pod that runs: what `app-add` does, and how `app-start` then
 * starts it.
 */
export function describeAddition({ app, cgroups, notes }: AddedAppPlan): string[] {
  return [
    `app "${app.name}": app-add adds it while the pod runs, and app-start starts it`,
    ...describeNotes(notes),
    ...describePreparation(app),
    ...cgroups.flatMap(describeAppCgroups),
    ...describeRoot(app),
    ...describeEnvironment(app),
    ...describeStart(app, cgroups),
  ].map(printable);
}

function describeOutcome({ uuid, flavor, runBecomes, apps }: PodPlan): string {
  const names = apps.map(({ name }) => `"${name}"`).join(", ");
  const where = flavor === "host" ? "the host's namespaces" : "namespaces of the pod's own";
  if (apps.length === 0) return `pod ${uuid}: run stays, and apps are added later, in ${where}`;
  return runBecomes === "app"
    ? `pod ${uuid}: run becomes the app ${names}, in ${where}`
    : `pod ${uuid}: run stays with ${
      apps.length > 1 ? "the apps" : "the app"
    } ${names}, in ${where}`;
}

function describeNotes(notes: readonly string[]): string[] {
  return notes.length === 0
    ? []
    : ["warn of what has no effect, or less than it seems:", ...indent(notes)];
}

/**
 * Returns a plan as JSON: `Map`s become objects, and what is undefined is left out.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(toJson({ environment: new Map([["A", "1"]]), users: undefined }), {
 *   environment: { A: "1" },
 * });
 * ```
 */
export function toJson(plan: object): unknown {
  const text = JSON.stringify(
    plan,
    (_, value) => value instanceof Map ? Object.fromEntries(value) : value,
  );
  return JSON.parse(text);
}

/** What `run` does to itself comes last, and holds for the app that it becomes. */
function describeSingleApp({ apps, cgroups, manager }: SingleAppPlan): string[] {
  return apps.flatMap((app) => [
    ...describePreparation(app),
    ...describeRoot(app),
    ...describeEnvironment(app),
    ...describeOomScore(app),
    ...cgroups.flatMap(describeCgroup),
    ...describeProcess(app),
    ...(app.notification ? [describeNotification(app.notification)] : describeManager(manager)),
    ...describeActivation(app),
    `become ${quote(app.exec)}`,
  ]);
}

function describeActivation({ activation }: AppPlan): string[] {
  return activation ? [`give the app the sockets ${activation.names.join(", ")}`] : [];
}

function describeManager(manager: string | undefined): string[] {
  return manager === undefined ? [] : [`tell the service manager at ${manager} that it is ready`];
}

/** The address is the app's alone: neither handlers nor commands of `enter` have it. */
function describeNotification({ variable }: NotificationPlan): string {
  return `give the app NOTIFY_SOCKET=${variable}, by which it tells that it is ready`;
}

function describeSupervised(plan: SupervisedPlan): string[] {
  const { users, apps, cgroups, manager } = plan;
  return [
    ...(users
      ? [`make a user namespace: ids 0 to ${users.count - 1} are the host's from ${users.shift} on`]
      : []),
    ...describeNetwork(plan.network),
    ...apps.flatMap(describePreparation),
    ...cgroups.flatMap(describeCgroup),
    ...describeNamespaces(plan),
    ...cgroups.flatMap(describeAppCgroups),
    ...apps.flatMap(describeRoot),
    ...apps.flatMap(describeEnvironment),
    ...apps.flatMap((app) => describeStart(app, cgroups)),
    ...(apps.some(({ notification }) => notification)
      ? ["wait until each app that tells has told that it is ready"]
      : []),
    ...describeManager(manager),
  ];
}

function describeNamespaces({ namespaces, cgroups, sysctls, maskedPaths }: SupervisedPlan) {
  if (namespaces === undefined) return [];
  const { kinds, hostname, capabilities } = namespaces;
  const devices = Object.keys(STANDARD_DEVICES).join(", ");
  const inits = cgroups.filter(({ version }) => version === 2)
    .map(({ path }) => `${path}/${FIRST_PROCESS_CGROUP}`);
  return [
    `make the pod's root, in memory: a /dev with ${devices} and terminals; a /proc and /sys`,
    `start pid 1 in namespaces of the pod's own: ${kinds.join(", ")}`,
    ...indent([
      ...inits.map((path) => `make cgroup ${path} for it`),
      `name the host ${hostname}`,
      ...(capabilities ? [`leave in its bounding set ${capabilities.join(" ") || "nothing"}`] : []),
      "wait, and do nothing else",
    ]),
    ...sysctls.map(({ path, value }) => `set ${path} = ${value}`),
    ...describeMasks(maskedPaths),
  ];
}

function describeNetwork(network: NetworkPlan): string[] {
  switch (network.kind) {
    case "host":
      return ["stay in the host's network"];
    case "none":
      return ["make a network namespace with a loopback interface alone"];
    case "contained":
      return [
        ...network.ports.map(describePort),
        "make a network namespace",
        ...indent([
          ...network.networks.map(({ name, ifName, source, calls }) =>
            `join network ${name} as ${ifName} by ${
              calls.map(({ type }) => type).join(", ")
            } (${source})`
          ),
          "what these plugins find out may change AC_METADATA_URL and /etc/resolv.conf",
        ]),
      ];
  }
}

function describePort({ protocol, hostPort, hostIP }: PortMapping): string {
  const address = hostIP === undefined ? "" : ` at ${hostIP}`;
  return `take ${protocol} port ${hostPort} of the host${address}`;
}

function describePreparation(app: AppPlan): string[] {
  return [...app.directories.map(describeDirectory), ...app.share.map(describeShare)];
}

/** The account's variables are known when the app's root is there to be looked into. */
function describeEnvironment({ name, environment }: AppPlan): string[] {
  const ofAccount = ACCOUNT_VARIABLES.filter((variable) => !environment.has(variable));
  return [
    `save the environment of app "${name}" in ${POD_PATHS.environments}/${name}:`,
    ...indent([
      ...environmentEntries(environment),
      ...(ofAccount.length > 0
        ? [`${ofAccount.join(", ")}: root's, or those of the user in the app's /etc/passwd`]
        : []),
    ]),
  ];
}

function describeRoot(app: AppPlan): string[] {
  const masks = app.mounts.filter((step) => step.kind === "mask");
  const [first] = masks;
  return [
    `make a mount namespace for app "${app.name}": mounts of the host come in, none go out`,
    `make ${app.rootfs} the app's root:`,
    ...indent([
      ...app.mounts.flatMap((step) => {
        if (step.kind !== "mask") return [describeMount(step)];
        return step === first ? describeMasks(masks) : [];
      }),
      ...(app.noDevices ? ["make device files in this root useless"] : []),
      ...(app.readOnlyRoot ? ["make this root read-only"] : []),
    ]),
  ];
}

/** What each process of an app does or is given, and which processes these are. */
function describeStart(app: AppPlan, cgroups: readonly PodCgroupPlan[]): string[] {
  const { name, preStart, exec, stop, postStop } = app;
  const program = ({ exec, asRoot }: EventProgram) => `${quote(exec)}${asRoot ? ", as root" : ""}`;
  return [
    `start the processes of app "${name}":`,
    ...indent([
      ...describeOomScore(app),
      ...(cgroups.length > 0 ? ["join the app's cgroups"] : []),
      ...describeProcess(app),
      ...(preStart ? [`run to its end ${program(preStart)}`] : []),
      ...(app.notification ? [describeNotification(app.notification)] : []),
      ...describeActivation(app),
      `execute ${quote(exec)}`,
      ...describeStop(stop),
      ...(postStop ? [`wait for its end, then run ${program(postStop)}`] : []),
    ]),
  ];
}

/** Tells how an app is asked to end, unless that is as usual. */
function describeStop({ signal, patience }: StopPlan): string[] {
  const lines = signal === USUAL_STOP.signal ? [] : [`ask it to end by ${signalName(signal)}`];
  const seconds = patience / 1000;
  return patience === USUAL_STOP.patience ? lines : [...lines, `kill it ${seconds} s later`];
}

/** Describes what a process does to itself, in the order of `process/launch.ts`. */
function describeProcess(app: AppPlan): string[] {
  const { user, group, supplementaryGIDs } = app.user;
  const { capabilities, noNewPrivileges, seccomp } = app.isolators.privileges;
  const kept = capabilities
    ? `, as far as run has them: ${capabilities.keep.join(" ") || "none"}`
    : ": all that run was given";
  return [
    ...app.isolators.labels.labels.map(({ label }) => `take on the label ${label}`),
    `begin in ${app.workingDirectory}`,
    ...describeStdio(app),
    `keep these capabilities${kept}`,
    `become user ${user}, group ${group}, supplementary groups ${
      supplementaryGIDs.join(" ") || "none"
    }`,
    ...(noNewPrivileges ? ["gain no new privileges"] : []),
    ...(seccomp && !noNewPrivileges ? ["gain no new privileges, unless root"] : []),
    describeFilter(seccomp),
  ];
}

function describeStdio({ stdio, log, name, terminalType }: AppPlan): string[] {
  const logs = log ? describeTargets(log, name) : "nothing";
  const words: Readonly<Record<StreamTarget, string>> = {
    null: "/dev/null",
    caller: "the caller's",
    relay: "a pipe that passes on the caller's",
    console: "a terminal of its own, shown in the caller's",
    tty: `a terminal of its own, for \`rkt attach\` and to ${logs}`,
    "shared-tty": `a terminal of its own, shown in the caller's, for \`rkt attach\` and to ${logs}`,
    stream: `a pipe for \`rkt attach\` and to ${logs}`,
    log: `a pipe to ${logs} and to the caller`,
  };
  // What an app reads is in no log, unless its terminal shows it.
  const input = stdio.stdin === "stream" ? "a pipe for `rkt attach`" : words[stdio.stdin];
  return [
    `stdin: ${input}`,
    `stdout: ${words[stdio.stdout]}`,
    `stderr: ${words[stdio.stderr]}`,
    ...(log?.to.includes("file")
      ? [`log: ${log.format}, files: ${log.files}, each up to ${log.size} bytes`]
      : []),
    ...(log?.kubernetes ? [`log for Kubernetes: ${log.kubernetes.path}`] : []),
    ...(terminalType === undefined ? [] : [`TERM=${terminalType}, unless the app says otherwise`]),
  ];
}

function describeTargets({ to }: LogPlan, name: string): string {
  const words: Readonly<Record<LogTarget, string>> = {
    file: `${POD_PATHS.logs}/${name}.log`,
    journald: "the host's journal",
  };
  return to.map((target) => words[target]).join(", ");
}

function describeOomScore({ isolators: { oomScore } }: AppPlan): string[] {
  return oomScore === undefined ? [] : [`oom_score_adj = ${oomScore.value}`];
}

function describeFilter(seccomp: NamedFilter | undefined): string {
  if (seccomp === undefined) return "allow all system calls";
  const { mode, syscalls, errno = "SIGSYS", errnoOfUnknown = errno } = seccomp;
  if (mode === "deny") return `answer ${syscalls.length} system calls with ${errno}, allow others`;
  const newer = errnoOfUnknown === errno ? "" : `, and unknown ones with ${errnoOfUnknown}`;
  return `allow ${syscalls.length} system calls, answer others with ${errno}${newer}`;
}

function quote(argv: readonly string[]): string {
  return argv.map((argument) => JSON.stringify(argument)).join(" ");
}
