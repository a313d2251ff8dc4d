/**
 * The records of which pods have which ports of the host: what is in them, and whether a pod's
 * ports are free.
 *
 * @module
 */

import { isSamePort, type PortMapping } from "./forwarded_ports.ts";
import { type JsonReader, readJson } from "./json_reader.ts";

/** The ports of the host that lead to a pod. */
export interface PortRecord {
  /** The pod's UUID. */
  pod: string;
  /** The pod's directory. */
  directory: string;
  /** The identity of the host's network namespace: another one has ports of its own. */
  network: string;
  ports: Pick<PortMapping, "protocol" | "hostPort" | "hostIP">[];
}

/** A port that a pod wants, and that leads to another pod. */
export interface PortConflict {
  /** The place of the wanted port in the pod manifest's list. */
  index: number;
  port: PortMapping;
  other: PortRecord;
}

/**
 * Formats a record.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const ports = [{ protocol: "tcp", hostPort: 80 }] as const;
 * const record = { pod: "p", directory: "/d", network: "4 1", ports: [...ports] };
 * assertEquals(readPortRecord(formatPortRecord(record)), record);
 * assertEquals(readPortRecord("{"), undefined);
 * ```
 */
export function formatPortRecord(record: PortRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/**
 * Reads a record.
 *
 * @returns `undefined` when the text is none: whoever wrote it was killed meanwhile.
 */
export function readPortRecord(text: string): PortRecord | undefined {
  try {
    const reader = readJson(text, "record");
    return {
      pod: reader.requireText("pod"),
      directory: reader.requireText("directory"),
      network: reader.requireText("network"),
      ports: (reader.objects("ports") ?? []).map(readPort),
    };
  } catch {
    // What is wrong with it helps nobody: the pod has not begun.
    return undefined;
  }
}

/** Lists the ports that a pod wants and that lead to other pods. */
export function findPortConflicts(
  wanted: readonly PortMapping[],
  network: string,
  records: readonly PortRecord[],
): PortConflict[] {
  return wanted.flatMap((port, index) =>
    records
      .filter((other) => other.network === network)
      .filter(({ ports }) => ports.some((taken) => isSamePort(port, taken)))
      .map((other) => ({ index, port, other }))
  );
}

function readPort(reader: JsonReader): PortRecord["ports"][number] {
  const hostIP = reader.text("hostIP");
  return {
    protocol: reader.requireText("protocol") as PortMapping["protocol"],
    hostPort: reader.index("hostPort") ?? 0,
    ...(hostIP === undefined ? {} : { hostIP }),
  };
}
