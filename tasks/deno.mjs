/**
 * Runs the pinned Deno that npm installed: `node tasks/deno.mjs ARGUMENTS…`.
 *
 * The program is taken from its platform package directly, so that it is there even when npm runs
 * no install scripts.
 */
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Returns the path of the Deno that npm has installed for a processor, which has Node's name. */
export function denoPath(root = ROOT, cpu = process.arch) {
  return join(root, "node_modules", "@deno", `linux-${cpu}-glibc`, "deno");
}

/**
 * Returns Deno's environment, in which Deno does not look for a newer version, and its caches are
 * where `npm ci` removes them. A caller's wish for backtraces of Rust programs is not passed on:
 * Deno would print a page without a name in it behind each error.
 */
export function denoEnvironment(environment = process.env, root = ROOT) {
  const { RUST_BACKTRACE: _, ...passed } = environment;
  return {
    DENO_DIR: join(root, "node_modules", ".cache", "deno"),
    DENO_NO_UPDATE_CHECK: "1",
    ...passed,
  };
}

/**
 * Returns Deno's arguments. Of a task, Deno would print the command, and that of each task that
 * goes before it: nobody who asked for a task by its name wants these lines.
 * @param {string[]} args
 * @returns {string[]}
 */
export function denoArguments(args) {
  const [command, ...rest] = args;
  const isQuiet = ["--quiet", "-q"].includes(rest[0]);
  return command === "task" && !isQuiet ? ["task", "--quiet", ...rest] : args;
}

/** Without arguments, Deno would wait for input that it evaluates. */
const USAGE = `Usage: npm run deno -- COMMAND [ARGUMENT…]

  task           lists the tasks
  task NAME      runs one; with --help it says what it takes
  fmt, lint      format or examine the sources
  check FILE…    check types`;

function main() {
  const deno = denoPath();
  if (!existsSync(deno)) {
    console.error(`deno: ${deno} is missing: run "node tasks/setup.mjs" first`);
    process.exit(1);
  }
  const args = denoArguments(process.argv.slice(2));
  if (args.length === 0) {
    console.error(USAGE);
    process.exit(2);
  }
  const child = spawn(deno, args, { stdio: "inherit", env: denoEnvironment() });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => child.kill(signal));
  }
  // As in a shell, the status of a child that a signal ended is 128 plus the signal's number.
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main();
