/**
 * The service manager that has started rkt, as far as it wants to be told of the pod: sd_notify(3).
 *
 * @module
 */

import { connectDatagrams, sendByConnected } from "../linux/datagram.ts";
import type { Fd } from "../linux/fd.ts";
import { encodeText } from "../linux/text.ts";
import { describeError } from "./entrypoint.ts";
import { warn } from "./log.ts";

/** How many milliseconds the manager may take to have room for a message. */
const PATIENCE = 1000;

/** Whoever wants to be told of the pod. */
export interface ServiceManager extends Disposable {
  /**
   * Tells assignments such as `READY=1`. A manager that cannot be told is no reason to end the pod:
   * that is said once.
   */
  tell(...assignments: string[]): void;
}

/** Nobody wants to be told. */
const NOBODY: ServiceManager = { tell: () => {}, [Symbol.dispose]: () => {} };

/**
 * Connects to the manager, so that it can be told when its socket is out of sight.
 *
 * @param address Where it receives; undefined if there is nobody.
 */
export function openServiceManager(address: string | undefined): ServiceManager {
  if (address === undefined) return NOBODY;
  try {
    return new ConnectedManager(connectDatagrams(address));
  } catch (error) {
    complain(error);
    return NOBODY;
  }
}

class ConnectedManager implements ServiceManager {
  readonly #socket: Fd;
  #hasComplained = false;

  constructor(socket: Fd) {
    this.#socket = socket;
  }

  tell(...assignments: string[]): void {
    try {
      sendByConnected(this.#socket, encodeText(assignments.join("\n")), PATIENCE);
    } catch (error) {
      if (!this.#hasComplained) complain(error);
      this.#hasComplained = true;
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

function complain(error: unknown): void {
  warn("run", `NOTIFY_SOCKET: the service manager cannot be told: ${describeError(error)}`);
}
