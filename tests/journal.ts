/**
 * A stand-in for systemd's journal: it takes entries at the path of the journal's socket, on a host
 * that has no systemd.
 *
 * @module
 */

import "../src/linux/libc_testing.ts";
import type { Bytes } from "../src/linux/bytes.ts";
import { makeDatagramSocket } from "../src/linux/datagram.ts";
import type { Fd } from "../src/linux/fd.ts";
import { readAvailable } from "../src/linux/stream.ts";
import { bindSocket } from "../src/linux/unix_address.ts";
import { editJson } from "./expect.ts";
import type { Host } from "./host.ts";
import type { Pod } from "./stage0.ts";

/** An entry: the values of its fields, by name. */
export type JournalEntry = Record<string, string>;

/** More than the largest datagram that anybody sends here. */
const LARGEST_DATAGRAM = 256 * 1024;

/** Sets annotations of an app of a pod, as `rkt run … IMAGE --annotation=…` does. */
export async function annotateApp(
  pod: Pod,
  annotations: Readonly<Record<string, string>>,
  app = 0,
): Promise<void> {
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.apps[app].annotations = Object.entries(annotations)
      .map(([name, value]) => ({ name, value }));
  });
}

/** A journal, and the host that has it. */
export class StandInJournal implements Host, Disposable {
  readonly #directory: string;
  #socket: Fd;

  /** @param directory Where the socket is; it exists, and is this journal's alone. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#socket = this.#open();
  }

  /** Its programs find the journal where systemd has it, in a `/run` of their own. */
  wrap(argv: readonly string[]): string[] {
    const mounts = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && " +
      'mount --bind "$0" /run/systemd/journal && exec "$@"';
    const unshare = ["unshare", "--mount", "--propagation", "private"];
    return [...unshare, "sh", "-c", mounts, this.#directory, ...argv];
  }

  /** Reads the entries that have come since the last call. */
  read(): JournalEntry[] {
    return this.#receive().map(parseEntry);
  }

  /** Reads what has come since the last call as texts, one for each datagram. */
  readRaw(): string[] {
    return this.#receive().map((datagram) => new TextDecoder().decode(datagram));
  }

  /** Takes another socket in the place of its own, as a restart does. */
  restart(): void {
    this.#socket[Symbol.dispose]();
    Deno.removeSync(`${this.#directory}/socket`);
    this.#socket = this.#open();
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #receive(): Bytes[] {
    const all: Bytes[] = [];
    for (;;) {
      const datagram = readAvailable(this.#socket.number, LARGEST_DATAGRAM);
      if (datagram === undefined) return all;
      all.push(datagram);
    }
  }

  #open(): Fd {
    const socket = makeDatagramSocket();
    bindSocket(socket, `${this.#directory}/socket`, 0o666);
    return socket;
  }
}

/** Parses an entry of the native protocol. */
function parseEntry(datagram: Uint8Array): JournalEntry {
  const text = (from: number, to: number) => new TextDecoder().decode(datagram.subarray(from, to));
  const entry: JournalEntry = {};
  let at = 0;
  while (at < datagram.length) {
    const end = datagram.indexOf(10, at);
    const [name = "", ...value] = text(at, end).split("=");
    at = end + 1;
    if (value.length > 0) {
      entry[name] = value.join("=");
      continue;
    }
    const length = Number(new DataView(datagram.buffer, at).getBigUint64(0, true));
    entry[name] = text(at + 8, at + 8 + length);
    at += 8 + length + 1;
  }
  return entry;
}
