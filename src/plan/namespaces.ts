/**
 * The namespaces that a pod has for itself, and whether `run` stays with it.
 *
 * @module
 */

import type { Capability } from "../linux/capabilities.ts";
import type { NamespaceKind } from "../linux/clone_flags.ts";
import { encodeText, quoteText } from "../linux/text.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Flavor } from "../stage1/flavor.ts";
import type { Pod } from "../stage1/pod.ts";
import { networkKind } from "./network/networks.ts";
import { isMutable } from "./policy.ts";

/** The most bytes of a host name: sethostname(2). */
const LONGEST_HOSTNAME = 64;

/** What ends a name in /etc/hosts: hosts(5). */
const END_OF_NAME = /[\s\p{Cc}#]/u;

/** The namespaces of an isolated pod. In either flavor, each app also has a mount namespace. */
export interface NamespacePlan {
  /** The kinds that the pod has for itself. */
  kinds: NamespaceKind[];
  hostname: string;
  /**
   * The bounding set of pid 1; undefined where it stays as it is, because an app is not restricted,
   * or is yet to come.
   */
  capabilities: Capability[] | undefined;
}

/**
 * Tells whether `run` becomes the pod's only app: in the host's namespaces, if nothing has to run
 * before or after the app.
 */
export function runBecomesApp(pod: Pod, flavor: Flavor): boolean {
  const [app, ...others] = pod.apps;
  return flavor === "host" && !isMutable(pod) && others.length === 0 &&
    app?.app.eventHandlers.length === 0;
}

/**
 * Decides which kinds of namespaces a pod has for itself.
 *
 * @returns None for the flavor `host`.
 * @throws {Error} when `--net` is malformed.
 */
export function planNamespaceKinds(args: RunArguments, flavor: Flavor): NamespaceKind[] {
  if (flavor === "host") return [];
  const kinds: [NamespaceKind, boolean][] = [
    ["mnt", true],
    ["pid", true],
    ["uts", true],
    ["ipc", args.ipc !== "parent"],
    ["cgroup", true],
    ["net", networkKind(args.net) !== "host"],
    ["user", args.privateUsers !== ""],
  ];
  return kinds.filter(([, isOwn]) => isOwn).map(([kind]) => kind);
}

/**
 * Returns the host name of an isolated pod.
 *
 * The kernel takes any bytes. But the name also stands in /etc/hosts, where a blank would make two
 * names of it, and a line break an address of somebody else.
 *
 * @throws {Error} when `--hostname` is no single name, or longer than the kernel allows.
 */
export function hostnameOf({ hostname, uuid }: RunArguments): string {
  if (hostname === "") return `rkt-${uuid}`;
  if (END_OF_NAME.test(hostname)) {
    throw new Error(`--hostname: ${quoteText(hostname)} is no single name`);
  }
  const { length } = encodeText(hostname);
  if (length > LONGEST_HOSTNAME) {
    throw new Error(`--hostname: ${length} bytes are more than a host name's ${LONGEST_HOSTNAME}`);
  }
  return hostname;
}
