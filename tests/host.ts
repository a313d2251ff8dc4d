/**
 * The machine that tests run on: its programs, its mounts, and simulated hosts.
 *
 * @module
 */

/** What is known of a program that has ended. */
export interface Result {
  /** Exit code, or 128 and the number of the signal. */
  code: number;
  /** The signal that ended the program, if one did. */
  signal: Deno.Signal | null;
  /** All of its standard output. */
  stdout: string;
  /** All of its standard error. */
  stderr: string;
}

/** Where programs are started: on this machine, or inside a {@linkcode SimulatedHost}. */
export interface Host {
  /** Returns the command line that starts `argv` there. */
  wrap(argv: readonly string[]): string[];
}

/** This machine. */
export const thisHost: Host = { wrap: (argv) => [...argv] };

/** Linux versions whose system calls this machine's kernel can be limited to. */
export type OldKernel = "5.8" | "5.10" | "5.11";

/** Returns this machine with the system calls of an older kernel. */
export function olderHost(kernel: OldKernel): Host {
  const script = `${import.meta.dirname}/old_kernel.ts`;
  // Without --jitless, V8's compiler could change errno before the caller reads it.
  const program = [Deno.execPath(), "run", "--allow-all", "--v8-flags=--jitless", script, kernel];
  return { wrap: (argv) => [...program, ...argv] };
}

/** Runs a program to its end, whatever its exit code. */
export async function execute(argv: readonly string[], host: Host = thisHost): Promise<Result> {
  const [program, ...args] = host.wrap(argv);
  const output = await new Deno.Command(program!, { args, stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    code: output.code,
    signal: output.signal,
    stdout: text(output.stdout),
    stderr: text(output.stderr),
  };
}

/** Runs a program that has to succeed, and returns its standard output. */
export async function must(argv: readonly string[], host: Host = thisHost): Promise<string> {
  const result = await execute(argv, host);
  if (result.code !== 0) {
    throw new Error(`${argv.join(" ")}: exit code ${result.code}: ${result.stderr.trim()}`);
  }
  return result.stdout;
}

/** Mounts a tmpfs on a directory, which is made where it is missing, until it is disposed of. */
export async function mountTmpfs(
  path: string,
  host: Host = thisHost,
  options = "rw",
): Promise<AsyncDisposable> {
  await must(["mkdir", "-p", path], host);
  await must(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], host);
  return {
    async [Symbol.asyncDispose]() {
      await must(["umount", path], host);
    },
  };
}

/** Resolves after so many milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Asks again and again until the answer is true, and fails after ten seconds. */
export async function eventually(
  what: string,
  ask: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!await ask()) {
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`);
    await sleep(5);
  }
}

/** Finds a program on `PATH`, and returns its absolute path, or undefined. */
export function which(program: string): string | undefined {
  for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${dir}/${program}`;
    if (isFile(path)) return path;
  }
  return undefined;
}

/** Tells whether a path leads to something that can be looked at. */
export function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Tells whether a path leads to a file. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Makes a new network namespace usable as a host's: a loopback interface, and a directory for the
 * state of plugins.
 */
const OWN_NETWORK = [
  "ip link set lo up",
  "for dir in /run /var/lib; do mount -t tmpfs tmpfs $dir; done",
  // rkt's own plugins, if there are any, would be found before the distribution's.
  "if test -d /usr/lib/rkt; then mount -t tmpfs tmpfs /usr/lib/rkt; fi",
];

/**
 * A host of its own: a mount namespace whose `/` is shared, as systemd leaves it, or private. Tests
 * watch on it what would reach the host, without risk to the machine. Its mounts end with it, as
 * does its network, if it has one of its own.
 */
export class SimulatedHost implements Host, AsyncDisposable {
  readonly #holder: Deno.ChildProcess;

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  /** Starts a host from a copy of the caller's mounts. */
  static async open(
    propagation: "shared" | "private" = "shared",
    network: "machine's" | "own" = "machine's",
  ): Promise<SimulatedHost> {
    const isOwn = network === "own";
    const hold = [
      `mount --make-r${propagation} /`,
      ...(isOwn ? OWN_NETWORK : []),
      "echo ready",
      "read -r _",
    ];
    const holder = new Deno.Command("unshare", {
      args: [
        ...(isOwn ? ["--net"] : []),
        ...["--mount", "--propagation", "private", "sh", "-c", hold.join(" && ")],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = holder.stdout.getReader();
    await reader.read();
    await reader.cancel();
    return new SimulatedHost(holder);
  }

  /** The PID of a process of the host, whose `/proc` entry describes the host. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** Returns the command line that starts `argv` on this host. */
  wrap(argv: readonly string[]): string[] {
    const namespaces = ["mnt", "net"].map((kind) => `/proc/${this.pid}/ns/${kind}`);
    return ["nsenter", `--mount=${namespaces[0]}`, `--net=${namespaces[1]}`, "--", ...argv];
  }

  /** Ends the host, and with it its mounts. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.stdin.close();
    await this.#holder.status;
  }
}

/** Quotes words for a shell. */
export function shellWords(...words: string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

/**
 * Makes this machine with a terminal for its programs; what they are to read is typed on the
 * terminal.
 *
 * @param line Makes what a shell on the terminal does of a program's quoted words.
 */
export function withTerminal(line: (program: string) => string): Host {
  const options = ["--quiet", "--return", "--flush"];
  return {
    wrap: (argv) => ["script", ...options, "--command", line(shellWords(...argv)), "/dev/null"],
  };
}

/** This machine with a terminal for its programs, and nothing else on it. */
export const TERMINAL: Host = withTerminal((program) => `exec ${program}`);

/** The program that {@linkcode withTerminal} needs. */
export const SCRIPT = { what: "script", met: which("script") !== undefined };
