/**
 * Programs that stage0 starts with a caller's lock, limits and ignored signals.
 *
 * @module
 */

import { eventually, type Host, type Result, thisHost } from "../host.ts";

/** Options of a program's start. */
export interface LaunchOptions {
  /** Variables to add to a clean environment; undefined removes one. */
  env?: Record<string, string | undefined>;
  /** What the program reads; by default nothing. */
  stdin?: string;
  /** Whether the program's input stays open for more. */
  keepsStdin?: boolean;
  /** Whether the program has the terminal of the tests instead of pipes. */
  terminal?: boolean;
  /** Descriptors of one digit that the caller has left open by mistake. */
  extraFds?: number[];
  /** The caller's limits, as options of the shell's `ulimit`, such as `-S -n 321`. */
  limits?: string[];
  /** Signals that the caller ignores, by the names of the shell's `trap`. */
  ignoredSignals?: string[];
  /** Whether the program leads a session of its own, as a shell's background job may. */
  detached?: boolean;
  /** The host to start it on. */
  host?: Host;
}

/** The program to start. */
export interface Command {
  /** The program and its arguments. */
  argv: string[];
  /** Its working directory. */
  dir: string;
  /** Its variables; those of the options replace them. */
  env: Record<string, string>;
  /** The descriptor by which it holds its working directory locked. */
  lockFd?: number;
  /** The kernel that it finds, on whatever host. */
  kernel: Host;
}

/** A started program. */
export class Program {
  readonly #child: Deno.ChildProcess;
  readonly #out: Capture;
  readonly #err: Capture;
  readonly #keepsStdin: boolean;
  /** Resolves when the program has ended. */
  readonly result: Promise<Result>;
  /** Whether it has ended. */
  ended = false;

  /** Starts a program. */
  constructor(command: Command, options: LaunchOptions = {}) {
    this.#child = spawn(command, options);
    this.#keepsStdin = options.keepsStdin ?? false;
    this.#out = new Capture(options.terminal ? undefined : this.#child.stdout);
    this.#err = new Capture(options.terminal ? undefined : this.#child.stderr);
    this.result = this.#finish(
      options.terminal || options.keepsStdin ? undefined : options.stdin ?? "",
    );
  }

  /** The program's PID; the shell that took the lock has become the program. */
  get pid(): number {
    return this.#child.pid;
  }

  /** The program's standard output so far. */
  get stdout(): string {
    return this.#out.text;
  }

  /** The program's standard error so far. */
  get stderr(): string {
    return this.#err.text;
  }

  /** Waits until the program has printed a text, and fails if it ends without. */
  async prints(text: string): Promise<void> {
    await eventually(`${JSON.stringify(text)} printed`, () => {
      if (this.stdout.includes(text)) return true;
      if (this.ended) throw new Error(`ended without printing ${text}: ${this.stderr}`);
      return false;
    });
  }

  /** Writes to the program's input, which `keepsStdin` has kept open. */
  async write(text: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    writer.releaseLock();
  }

  /** Sends the program a signal, unless it has ended. */
  kill(signal: Deno.Signal): void {
    if (this.ended) return;
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It has ended, and nobody has been told yet.
      if (!(error instanceof TypeError)) throw error;
    }
  }

  async #finish(stdin: string | undefined): Promise<Result> {
    if (stdin !== undefined) await feed(this.#child.stdin, stdin);
    const { code, signal } = await this.#child.status;
    this.ended = true;
    if (this.#keepsStdin) await this.#child.stdin.close().catch(() => {});
    await Promise.all([this.#out.close(), this.#err.close()]);
    return { code, signal, stdout: this.stdout, stderr: this.stderr };
  }
}

function spawn(
  { argv, dir, env, lockFd, kernel }: Command,
  options: LaunchOptions,
): Deno.ChildProcess {
  const [program, ...args] = (options.host ?? thisHost)
    .wrap(kernel.wrap(["/bin/sh", "-c", prelude(lockFd, options), "stage0", dir, ...argv]));
  const stdio = options.terminal ? "inherit" : "piped";
  return new Deno.Command(program!, {
    args,
    env: withoutUndefined({ ...env, ...options.env }),
    clearEnv: true,
    detached: options.detached ?? false,
    stdin: stdio,
    stdout: stdio,
    stderr: stdio,
  }).spawn();
}

/**
 * Returns shell commands that run before the program in its process. Only a shell can pass on a
 * descriptor, and the process that takes the lock must be the program's.
 */
function prelude(lockFd: number | undefined, options: LaunchOptions): string {
  const { extraFds = [], limits = [], ignoredSignals = [] } = options;
  return [
    'cd "$1" && shift || exit 125',
    ...(lockFd === undefined ? [] : [`exec ${lockFd}<. && flock --exclusive ${lockFd}`]),
    ...extraFds.map((fd) => `exec ${fd}</dev/null`),
    ...limits.map((limit) => `ulimit ${limit}`),
    ...ignoredSignals.map((signal) => `trap '' ${signal}`),
    'exec "$@"',
  ].join("\n");
}

function withoutUndefined(env: Record<string, string | undefined>): Record<string, string> {
  const set = Object.entries(env).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as Record<string, string>;
}

/** Writes a program's input, and ignores the error if the program ends before it has read all. */
async function feed(stdin: WritableStream<Uint8Array>, text: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    if (text !== "") await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch {
    await writer.abort().catch(() => {});
  }
}

/** Collects the output of a pipe. */
class Capture {
  /** The output so far. */
  text = "";
  readonly #reader: ReadableStreamDefaultReader<string> | undefined;
  readonly #done: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array> | undefined) {
    this.#reader = stream?.pipeThrough(new TextDecoderStream()).getReader();
    this.#done = this.#collect();
  }

  /**
   * Waits for the end of the pipe, but not long: a process that is left behind may hold it open.
   */
  async close(): Promise<void> {
    const patience = setTimeout(() => this.#reader?.cancel(), 500);
    await this.#done;
    clearTimeout(patience);
  }

  async #collect(): Promise<void> {
    for (;;) {
      const chunk = await this.#reader?.read();
      if (chunk?.value === undefined) return;
      this.text += chunk.value;
    }
  }
}
