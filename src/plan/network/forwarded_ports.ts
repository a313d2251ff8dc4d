/**
 * The ports of the host that lead to a pod with a network of its own, and the pod's ports behind
 * them.
 *
 * @module
 */

import type { Pod } from "../../stage1/pod.ts";
import { isActivated } from "../activation.ts";

type ExposedPort = Pod["manifest"]["ports"][number];
type Port = NonNullable<ExposedPort["podPort"]>;

/** A port of the host that leads to one of the pod, as CNI's capability `portMappings` has it. */
export interface PortMapping {
  hostPort: number;
  containerPort: number;
  protocol: "tcp" | "udp" | "sctp";
  /** The only address of the host that has the port; left out when all addresses have it. */
  hostIP?: string;
}

/** The plan for the pod manifest's `ports`. */
export interface ForwardedPorts {
  mappings: PortMapping[];
  /** The settings that are followed only in part, one line each. */
  notes: string[];
}

const PROTOCOLS = ["tcp", "udp", "sctp"] as const;

/** Addresses that stand for all addresses of the host. */
const ANY_ADDRESS = ["", "0.0.0.0", "::"];

/**
 * Plans how the ports that the pod manifest exposes are forwarded. An exposed port leads to its
 * `podPort`; without one, to the port of the same name that an app has. A port whose socket an app
 * is given is not forwarded: the socket is the host's own.
 *
 * @throws {Error} when no app has the port or several have, when its protocol cannot be forwarded,
 * or when another port of the pod already takes the host's.
 */
export function planForwardedPorts(pod: Pod): ForwardedPorts {
  const forwarded: ForwardedPorts = { mappings: [], notes: [] };
  pod.manifest.ports.forEach((exposed, i) => {
    if (exposed.podPort === undefined && isActivated(pod, exposed.name)) return;
    const field = `ports[${i}]`;
    const port = exposed.podPort ?? findPort(pod, exposed.name, field);
    const mapping = mapPort(exposed, port, field);
    refuseConflict(forwarded.mappings, mapping, field);
    forwarded.mappings.push(mapping);
    // `count` is the image's word, and only the pod manifest decides which ports the host opens.
    if (port.count > 1) {
      forwarded.notes.push(
        `${field} (${exposed.name}): only the first of ${port.count} ports leads to the pod`,
      );
    }
  });
  return forwarded;
}

/** A port of the host; without an address, of all its addresses. */
type HostPort = Pick<PortMapping, "hostPort" | "protocol" | "hostIP">;

/** Tells whether two ports of the host have an address in common. */
export function isSamePort(a: HostPort, b: HostPort): boolean {
  return a.hostPort === b.hostPort && a.protocol === b.protocol &&
    (a.hostIP === undefined || b.hostIP === undefined || a.hostIP === b.hostIP);
}

function findPort(pod: Pod, name: string, field: string): Port {
  const ports = pod.apps.flatMap(({ app }) => app.ports).filter((port) => port.name === name);
  const [port, another] = ports;
  if (port === undefined) throw new Error(`${field}.name: no app of this pod has a port "${name}"`);
  if (another !== undefined) {
    throw new Error(`${field}.name: more than one app of this pod has a port "${name}"`);
  }
  return port;
}

function mapPort({ hostPort, hostIP = "" }: ExposedPort, port: Port, field: string): PortMapping {
  if (hostPort === 0) throw new Error(`${field}.hostPort: missing: which port of the host`);
  return {
    hostPort,
    containerPort: port.port,
    protocol: readProtocol(port.protocol, field),
    ...(ANY_ADDRESS.includes(hostIP) ? {} : { hostIP }),
  };
}

function readProtocol(text: string, field: string): PortMapping["protocol"] {
  const protocol = PROTOCOLS.find((known) => known === (text || "tcp").toLowerCase());
  if (protocol !== undefined) return protocol;
  throw new Error(
    `${field}: protocol ${JSON.stringify(text)} is not one of ${PROTOCOLS.join(", ")}`,
  );
}

function refuseConflict(taken: readonly PortMapping[], mapping: PortMapping, field: string): void {
  const other = taken.findIndex((it) => isSamePort(it, mapping));
  if (other < 0) return;
  const { protocol, hostPort } = mapping;
  throw new Error(`${field}.hostPort: ${protocol} port ${hostPort} is taken by ports[${other}]`);
}
