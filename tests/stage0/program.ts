/**
 * Programs that stage0 starts: with the lock, the limits and the signals that a caller would leave
 * them.
 *
 * @module
 */

import { eventually, type Host, type Result, thisHost } from "../host.ts";

/** How a program is started. */
export interface LaunchOptions {
  /** Variables over a clean environment; undefined removes one. */
  env?: Record<string, string | undefined>;
  /** What the program reads; by default nothing. */
  stdin?: string;
  /** Whether more can be written to it, until it ends. */
  keepsStdin?: boolean;
  /** Whether it has the terminal of the tests, instead of pipes. */
  terminal?: boolean;
  /** Further descriptors of one digit that the caller forgot to close. */
  extraFds?: number[];
  /** Limits that the caller has, in the words of the shell's `ulimit`, such as `-S -n 321`. */
  limits?: string[];
  /** Signals that the caller ignores, as the shell's `trap` spells them. */
  ignoredSignals?: string[];
  /** Whether it leads a session of its own, as one that a shell puts into the background. */
  detached?: boolean;
  /** Where it is started. */
  host?: Host;
}

/** What is started. */
export interface Command {
  /** The program and its arguments. */
  argv: string[];
  /** Its working directory. */
  dir: string;
  /** Its variables, before those of the options. */
  env: Record<string, string>;
  /** A descriptor by which it holds its working directory, locked. */
  lockFd?: number;
  /** The kernel that it has, on whatever host. */
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

  /** Its process, which the shell that took the lock has become. */
  get pid(): number {
    return this.#child.pid;
  }

  /** What it has printed so far. */
  get stdout(): string {
    return this.#out.text;
  }

  /** What it has complained about so far. */
  get stderr(): string {
    return this.#err.text;
  }

  /** Waits until it has printed a text; that it ends without is an error. */
  async prints(text: string): Promise<void> {
    await eventually(`${JSON.stringify(text)} printed`, () => {
      if (this.stdout.includes(text)) return true;
      if (this.ended) throw new Error(`ended without printing ${text}: ${this.stderr}`);
      return false;
    });
  }

  /** Writes to what it reads, which has to be kept open. */
  async write(text: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    writer.releaseLock();
  }

  /** Sends a signal, unless it has ended. */
  kill(signal: Deno.Signal): void {
    if (!this.ended) this.#child.kill(signal);
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
 * What happens in the process before it becomes the program. Only a shell can hand a descriptor
 * on, and it is the program's process that must have taken the lock.
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

/** A program that ends before it has read everything is none of the caller's business. */
async function feed(stdin: WritableStream<Uint8Array>, text: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    if (text !== "") await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch {
    await writer.abort().catch(() => {});
  }
}

/** Collects what comes out of a pipe. */
class Capture {
  /** What has come so far. */
  text = "";
  readonly #reader: ReadableStreamDefaultReader<string> | undefined;
  readonly #done: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array> | undefined) {
    this.#reader = stream?.pipeThrough(new TextDecoderStream()).getReader();
    this.#done = this.#collect();
  }

  /** Waits for the end; not for long, as a process that was left behind may hold the pipe open. */
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
