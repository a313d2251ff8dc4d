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

/**
 * A host of its own: a mount namespace whose `/` is shared, as systemd leaves it, or private, so that
 * what would reach the host can be watched without risk to the machine. Its mounts end with it.
 */
export class SimulatedHost implements Host, AsyncDisposable {
  readonly #holder: Deno.ChildProcess;

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  /** Starts a host from a copy of the caller's mounts. */
  static async open(propagation: "shared" | "private" = "shared"): Promise<SimulatedHost> {
    const hold = `mount --make-r${propagation} / && echo ready && read -r _`;
    const holder = new Deno.Command("unshare", {
      args: ["--mount", "--propagation", "private", "sh", "-c", hold],
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
    return ["nsenter", `--mount=/proc/${this.pid}/ns/mnt`, "--", ...argv];
  }

  /** Ends it, and with it its mounts. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.stdin.close();
    await this.#holder.status;
  }
}
