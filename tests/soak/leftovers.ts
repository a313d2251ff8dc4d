/**
 * Finds what the soak's pods leave on their host, which is a private one: see `tests/soak.ts`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { must, which } from "../host.ts";
import { findPodCgroups } from "../pod_cgroups.ts";
import {
  pathsHeldBy,
  pidsSinceTestsBegan,
  readMounts,
  readProcess,
  readProcesses,
} from "../procfs.ts";
import type { Pod } from "../stage0.ts";

/** The directory in which the pods' directories are. */
const TEMP_DIR = Deno.env.get("TMPDIR") ?? "/tmp";

/** The directory where plugins record taken addresses and results. */
const STATE = "/var/lib/cni";

/** Lists what is left of a pod that has been collected, one line each. */
export async function findLeftovers(pod: Pod): Promise<string[]> {
  const { uuid } = pod;
  const isOfPod = (text: string) => text.includes(uuid) || text.includes(chainName(uuid));
  const mounts = [
    ...pod.foreignMounts(),
    ...readMounts().filter(({ path }) => isPinned(path, uuid)),
  ];
  const processes = pidsSinceTestsBegan().filter((pid) => pid !== Deno.pid)
    .filter((pid) => pathsHeldBy(pid).some(isOfPod))
    .map(readProcess).filter((process) => process !== undefined);
  return [
    ...mounts.map(({ path }) => `mount: ${path}`),
    ...processes.map(({ pid, argv }) => `process ${pid}: ${argv.join(" ")}`),
    ...findPodCgroups([uuid]).map((path) => `cgroup: ${path}`),
    ...listFiles("/run").filter(isOfPod).map((path) => `file: ${path}`),
    ...listFiles(STATE).filter((path) => isOfPod(readText(path))).map((path) => `lease: ${path}`),
    ...(await listRules()).filter(isOfPod).map((rule) => `rule: ${rule}`),
  ];
}

/** Returns the name that plugins give to the pod's chain of the network `default`. */
function chainName(uuid: string): string {
  return `CNI-${createHash("sha512").update(`default${uuid}`).digest("hex").slice(0, 24)}`;
}

function isPinned(path: string, uuid: string): boolean {
  return path === `/run/netns/cni-${uuid}`;
}

/** The state of the whole host. */
export interface HostState {
  /** Everything that can be listed, one line each. */
  lines: ReadonlySet<string>;
  /** How many different namespaces processes are in or hold open. */
  namespaces: number;
}

/** Records all that pods could change on their host. */
export async function readHost(): Promise<HostState> {
  const lines = new Set([
    ...readMounts().map(({ path, type }) => `mount: ${type} on ${path}`),
    ...readProcesses().filter(({ zombie }) => !zombie).map(({ pid, argv }) =>
      `process ${pid}: ${argv.join(" ")}`
    ),
    ...["/run", "/var/lib", TEMP_DIR].flatMap(listFiles).map((path) => `file: ${path}`),
    ...await listLines(["ip", "-o", "link"], (line) => `link: ${line.split(": ")[1]}`),
    ...await listLines(
      ["ip", "-o", "address"],
      (line) => `address: ${line.split(" valid_lft")[0]}`,
    ),
    ...(await listRules()).map((rule) => `rule: ${rule}`),
  ]);
  return { lines, namespaces: listNamespaces().size };
}

/** Lists what is new or gone since the first record, one line each. */
export function compareHosts(before: HostState, after: HostState): string[] {
  return [
    ...[...after.lines].filter((line) => !before.lines.has(line)).map((line) => `left: ${line}`),
    ...[...before.lines].filter((line) => !after.lines.has(line)).map((line) => `gone: ${line}`),
    ...(after.namespaces === before.namespaces
      ? []
      : [`namespaces: ${before.namespaces}, now ${after.namespaces}`]),
  ];
}

/** The target of a link to a namespace: namespaces(7). */
const NAMESPACE =
  /^(cgroup|ipc|mnt|net|pid|pid_for_children|time|time_for_children|user|uts):\[\d+\]$/;

/** Lists the namespaces that processes are in or hold open. */
function listNamespaces(): Set<string> {
  const links = readProcesses().filter(({ zombie }) => !zombie).flatMap(({ pid }) =>
    [`/proc/${pid}/ns`, `/proc/${pid}/fd`].flatMap(readLinks)
  );
  return new Set(links.filter((link) => NAMESPACE.test(link)));
}

function readLinks(directory: string): string[] {
  return listNames(directory).flatMap((name) => {
    try {
      return [Deno.readLinkSync(`${directory}/${name}`)];
    } catch {
      return [];
    }
  });
}

/** Lists the rules of iptables without their counters, which change all the time. */
async function listRules(): Promise<string[]> {
  const lines = await listLines(["iptables-save"], (line) => line.replace(/ \[\d+:\d+\]$/, ""));
  return lines.filter((line) => /^-A|^:CNI/.test(line));
}

/** Lists a program's output; empty if this host lacks the program. */
async function listLines(argv: string[], form: (line: string) => string): Promise<string[]> {
  if (which(argv[0]!) === undefined) return [];
  return (await must(argv)).split("\n").filter((line) => line !== "").map(form);
}

function listFiles(directory: string): string[] {
  return listEntries(directory).flatMap(({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    return [path, ...(isDirectory ? listFiles(path) : [])];
  });
}

function listNames(directory: string): string[] {
  return listEntries(directory).map(({ name }) => name);
}

/** Lists a directory; empty if it has gone meanwhile. */
function listEntries(directory: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
