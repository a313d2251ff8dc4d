/**
 * The machine that the tests run on: its programs, its mounts, and a stand-in for a whole host.
 *
 * @module
 */

/** What a program left behind. */
export interface Result {
  /** Exit code, or 128 and the number of the signal. */
  code: number;
  /** The signal that ended the program, if one did. */
  signal: Deno.Signal | null;
  /** Everything that it printed. */
  stdout: string;
  /** Everything that it complained about. */
  stderr: string;
}

/** Where programs are started: on this machine, or inside a {@linkcode SimulatedHost}. */
export interface Host {
  /** The command line that starts `argv` there. */
  wrap(argv: readonly string[]): string[];
}

/** This machine. */
export const thisHost: Host = { wrap: (argv) => [...argv] };

/** Linux versions that this machine's kernel can be taken for, as far as system calls go. */
export type OldKernel = "5.8" | "5.10" | "5.11";

/** This machine, with an older kernel. */
export function olderHost(kernel: OldKernel): Host {
  const script = `${import.meta.dirname}/old_kernel.ts`;
  // V8's compiler could change errno before it is looked at.
  const program = [Deno.execPath(), "run", "--allow-all", "--v8-flags=--jitless", script, kernel];
  return { wrap: (argv) => [...program, ...argv] };
}

/** Runs a program to its end, whatever that is. */
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

/** Runs a program that has to succeed, and returns what it printed. */
export async function must(argv: readonly string[], host: Host = thisHost): Promise<string> {
  const result = await execute(argv, host);
  if (result.code !== 0) {
    throw new Error(`${argv.join(" ")}: exit code ${result.code}: ${result.stderr.trim()}`);
  }
  return result.stdout;
}

/** A tmpfs, mounted on an existing or a new directory until it is disposed of. */
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

/** Asks again and again until the answer is true; after ten seconds the wait is an error. */
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

/** The absolute path of a program on `PATH`, or undefined. */
export function which(program: string): string | undefined {
  for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${dir}/${program}`;
    if (isFile(path)) return path;
  }
  return undefined;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** What makes a network namespace a host: a loopback interface, and a place for what plugins keep. */
const OWN_NETWORK = [
  "ip link set lo up",
  "for dir in /run /var/lib; do mount -t tmpfs tmpfs $dir; done",
  // Plugins of rkt's own, if there are any, would come before those of the distribution.
  "if test -d /usr/lib/rkt; then mount -t tmpfs tmpfs /usr/lib/rkt; fi",
];

/**
 * A host of its own: a mount namespace whose `/` is shared, as systemd leaves it, or private, so that
 * what would reach the host can be watched without risk to the machine. Its mounts end with it, and its network, if
 * it has one.
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

  /** A process of the host, whose `/proc` entry describes it. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** The command line that starts `argv` on this host. */
  wrap(argv: readonly string[]): string[] {
    const namespaces = ["mnt", "net"].map((kind) => `/proc/${this.pid}/ns/${kind}`);
    return ["nsenter", `--mount=${namespaces[0]}`, `--net=${namespaces[1]}`, "--", ...argv];
  }

  /** Ends it, and with it its mounts. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.stdin.close();
    await this.#holder.status;
  }
}

/** This machine, whose programs have a terminal, on which what they read is typed. */
export const TERMINAL: Host = {
  wrap: (argv) => {
    const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    return ["script", "--quiet", "--return", "--flush", "--command", `exec ${quoted}`, "/dev/null"];
  },
};

/** What {@linkcode TERMINAL} takes. */
export const SCRIPT = { what: "script", met: which("script") !== undefined };
