/**
 * `attach`: the caller's streams connected with those of an app, or with its terminal.
 *
 * @module
 */

import { ControlClient } from "../control/client.ts";
import type { ReceivedFds } from "../control/envelope.ts";
import { AttachedOutput, Done, Listed, TTY_FD } from "../control/messages.ts";
import type { Fd } from "../linux/fd.ts";
import { STOP_SIGNALS, stopSelf } from "../linux/job_control.ts";
import { type PollEvents, POLLIN, waitForEvents } from "../linux/poll.ts";
import { endAs } from "../linux/process.ts";
import { isIgnored } from "../linux/signal_actions.ts";
import {
  CATCHABLE_SIGNALS,
  SIGCHLD,
  SIGCONT,
  SIGNALS_OF_WRITES,
  SIGTTIN,
  SIGURG,
  SIGWINCH,
} from "../linux/signal_numbers.ts";
import { openSignals, readSignals, type Signal, unblockSignals } from "../linux/signals.ts";
import type { End } from "../linux/wait.ts";
import { selfConfine } from "../process/self_confine.ts";
import type { AttachArguments, Endpoint } from "../stage1/arguments.ts";
import { STAGE1_FAILURE } from "../stage1/entrypoint.ts";
import { type Debug, debugLog, print } from "../stage1/log.ts";
import {
  type AttachedSockets,
  AttachedStreams,
  callersSize,
  isTypedForOthers,
} from "../stream/attached_streams.ts";
import { stopJob } from "./stop_job.ts";

/** What the caller's input goes to. */
const INPUTS: readonly Endpoint[] = ["stdin", "tty-in"];

/** Signals that end no process which does nothing about them, and those of its own writes. */
const HARMLESS: readonly number[] = [SIGCHLD, SIGCONT, SIGURG, SIGWINCH, ...SIGNALS_OF_WRITES];

/**
 * Lists what of an app can be attached to; or attaches to it, and returns when the app has ended,
 * or the caller has detached.
 *
 * @throws {Error} when the app does not run, or has nothing like that.
 */
export function attachToApp({ action, app, endpoints, ...args }: AttachArguments): never {
  const debug = debugLog("attach", args.debug);
  if (action !== "custom-attach") {
    const listed = list(app);
    if (action === "list") {
      print(listed.join("\n"));
      Deno.exit(0);
    }
    endpoints = listed;
  }
  debug(`attach to ${endpoints.join(", ")}`);
  const end = attach(app, endpoints, debug);
  endAs(end);
}

function list(app: string): Endpoint[] {
  using client = new ControlClient();
  return client.ask({ do: "list", app }, Listed).message.ok.endpoints;
}

/** @returns How this process is to end. */
function attach(app: string, endpoints: readonly Endpoint[], debug: Debug): End {
  const hasInput = endpoints.some((endpoint) => INPUTS.includes(endpoint));
  const ending = endingSignals();
  const isInBackground = () => hasInput && isTypedForOthers();
  // However long that takes: the supervisor waits for no request meanwhile.
  const early = isInBackground() ? withSignals((it) => waitForForeground(it, ending)) : undefined;
  if (early !== undefined) return { signal: early };
  using client = new ControlClient();
  selfConfine("asking", debug);
  const size = hasInput ? callersSize() : undefined;
  const request = { do: "attach" as const, app, endpoints: [...endpoints], ...(size && { size }) };
  // A supervisor may be stopped: every signal does here what it does by itself.
  using received = client.ask(request, Done).fds;
  // Before the terminal is raw, so that none ends this process while it is.
  return withSignals((signals) => {
    // The shell may have stopped this process while it asked.
    const late = isInBackground() ? waitForForeground(signals, ending) : undefined;
    if (late !== undefined) return { signal: late };
    using streams = new AttachedStreams(socketsOf(endpoints, received));
    return new Attached(client, streams, signals, ending).passOn();
  });
}

/**
 * Has signals wait to be read while `act` runs. Behind it they end this process again, also while
 * the message of an error waits for its reader.
 */
function withSignals<T>(act: (signals: Fd) => T): T {
  using signals = openSignals(CATCHABLE_SIGNALS);
  using unblock = new DisposableStack();
  unblock.defer(() => unblockSignals(CATCHABLE_SIGNALS));
  return act(signals);
}

/**
 * Stops this process as each is stopped that reads from the terminal of another job.
 *
 * @returns The signal that ends this process, if one has come.
 */
function waitForForeground(signals: Fd, ending: readonly number[]): number | undefined {
  const came = stopSelf(SIGTTIN, {
    isInBackground: isTypedForOthers,
    readSignals: () => readSignals(signals),
    isUrgent: ({ number }) => ending.includes(number),
  });
  return came.find(({ number }) => ending.includes(number))?.number;
}

function socketsOf(endpoints: readonly Endpoint[], fds: ReceivedFds): AttachedSockets {
  const [stdin, stdout, stderr, tty] = ["stdin", "stdout", "stderr", TTY_FD]
    .map((name) => fds.takeIfThere(name));
  const shown = endpoints.includes("tty-out") ? tty : undefined;
  return {
    input: stdin ?? (endpoints.includes("tty-in") ? tty : undefined),
    stdout: [stdout, shown].filter((fd) => fd !== undefined),
    stderr: stderr ? [stderr] : [],
    isForTerminal: endpoints.includes("tty-in"),
  };
}

/** How the attachment has ended: well, or by an error. */
interface Verdict {
  error?: unknown;
}

/** This process while it is attached. */
class Attached {
  readonly #client: ControlClient;
  readonly #streams: AttachedStreams;
  readonly #signals: Fd;
  /** The signals that end this process. */
  readonly #ending: readonly number[];
  #hasEndedInput = false;
  #verdict: Verdict | undefined;

  constructor(
    client: ControlClient,
    streams: AttachedStreams,
    signals: Fd,
    ending: readonly number[],
  ) {
    this.#client = client;
    this.#streams = streams;
    this.#signals = signals;
    this.#ending = ending;
  }

  /**
   * Passes on what comes, until the app has ended or the caller has detached.
   *
   * @returns How this process is to end.
   * @throws {Error} when the supervisor has ended without a word.
   */
  passOn(): End {
    const streams = this.#streams;
    for (;;) {
      const ready = waitForEvents(this.#interests());
      const fds = new Set(ready.map(({ fd }) => fd));
      streams.onReady(ready);
      if (fds.has(this.#client.fd)) this.#listen();
      const signal = fds.has(this.#signals.number) ? this.#handleSignals() : undefined;
      if (signal !== undefined) return { signal };
      if (streams.isDetached) return { status: 0 };
      if (streams.hasLostReader) return { status: streams.hasFailed ? STAGE1_FAILURE : 0 };
      if (streams.isInputSent) this.#endInput();
      if (this.#verdict && streams.isDone) return this.#verdictOf(this.#verdict);
    }
  }

  #interests(): PollEvents[] {
    const fds = [this.#signals.number, ...(this.#verdict ? [] : [this.#client.fd])];
    return [...fds.map((fd) => ({ fd, events: POLLIN })), ...this.#streams.interests()];
  }

  #verdictOf({ error }: Verdict): End {
    if (error !== undefined) throw error;
    return { status: 0 };
  }

  #listen(): void {
    try {
      const message = this.#client.receiveIfThere(AttachedOutput)?.message;
      if (message === undefined) return;
      if ("ended" in message) this.#verdict = {};
      else this.#streams.say(`${message.gap} bytes are missing here: they came too fast`);
    } catch (error) {
      this.#verdict = { error };
    }
  }

  #endInput(): void {
    if (this.#hasEndedInput) return;
    this.#hasEndedInput = true;
    this.#client.send({ endInput: true });
  }

  /** @returns The signal that ends this process, if one has come. */
  #handleSignals(): number | undefined {
    for (const signal of readSignals(this.#signals)) {
      const ending = this.#handleSignal(signal);
      if (ending !== undefined) return ending;
    }
    return undefined;
  }

  #handleSignal({ number }: Signal): number | undefined {
    if (this.#ending.includes(number)) return number;
    if (STOP_SIGNALS.includes(number)) return this.#stop(number);
    if (number === SIGWINCH) this.#resize();
    if (number === SIGCONT) return this.#regainTerminal();
    return undefined;
  }

  #stop(signal: number): number | undefined {
    const came = stopJob(signal, {
      // The app is no part of the job: it runs on.
      signalPrograms: () => {},
      streams: this.#streams,
      readSignals: () => readSignals(this.#signals),
      ending: this.#ending,
    });
    this.#resize();
    return came.find(({ number }) => this.#ending.includes(number))?.number;
  }

  /** Whoever stopped this process by SIGSTOP may have used the terminal since. */
  #regainTerminal(): number | undefined {
    if (this.#streams.isInBackground) return this.#stop(SIGTTIN);
    this.#streams.resume();
    this.#resize();
    return undefined;
  }

  #resize(): void {
    const size = this.#streams.hasTerminal ? callersSize() : undefined;
    if (size && !this.#verdict) this.#client.send({ resize: size });
  }
}

/** Lists the signals that end this process: those that would, if it did nothing about them. */
function endingSignals(): number[] {
  return CATCHABLE_SIGNALS.filter((number) =>
    !HARMLESS.includes(number) && !STOP_SIGNALS.includes(number) && !isIgnored(number)
  );
}
