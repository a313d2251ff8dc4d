/**
 * Ports of the host that lead to the pod: which ones, and to which of the pod's.
 *
 * @module
 */

import type { Pod } from "../../stage1/pod.ts";

type ExposedPort = Pod["manifest"]["ports"][number];
type Port = NonNullable<ExposedPort["podPort"]>;

/** A port of the host that leads to one of the pod, as CNI's capability `portMappings` has it. */
export interface PortMapping {
  hostPort: number;
  containerPort: number;
  protocol: "tcp" | "udp" | "sctp";
  /** The one address of the host where the port is; left out when it is at all of them. */
  hostIP?: string;
}

/** What the pod's `ports` come to. */
export interface ForwardedPorts {
  mappings: PortMapping[];
  /** What has less effect than it could seem, one line each. */
  notes: string[];
}

const PROTOCOLS = ["tcp", "udp", "sctp"] as const;

/** Addresses that stand for all of a family. */
const ANY_ADDRESS = ["", "0.0.0.0", "::"];

/**
 * Finds the pod's port for each that the pod manifest exposes: its own word, else the port of that name
 * that one of the apps has.
 *
 * @throws {Error} when no app has the port or several have, when its protocol cannot be forwarded, and when
 * the host's port is already taken by another of the pod's.
 */
export function planForwardedPorts(pod: Pod): ForwardedPorts {
  const forwarded: ForwardedPorts = { mappings: [], notes: [] };
  pod.manifest.ports.forEach((exposed, i) => {
    const field = `ports[${i}]`;
    const port = exposed.podPort ?? findPort(pod, exposed.name, field);
    const mapping = mapPort(exposed, port, field);
    refuseConflict(forwarded.mappings, mapping, field);
    forwarded.mappings.push(mapping);
    // An image says how many ports a name stands for; what the host opens is its owner's choice.
    if (port.count > 1) {
      forwarded.notes.push(
        `${field} (${exposed.name}): only the first of ${port.count} ports leads to the pod`,
      );
    }
  });
  return forwarded;
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
  const other = taken.findIndex(({ hostPort, protocol, hostIP }) =>
    hostPort === mapping.hostPort && protocol === mapping.protocol &&
    (hostIP === undefined || mapping.hostIP === undefined || hostIP === mapping.hostIP)
  );
  if (other < 0) return;
  const { protocol, hostPort } = mapping;
  throw new Error(`${field}.hostPort: ${protocol} port ${hostPort} is taken by ports[${other}]`);
}
