/**
 * Runs the pinned Deno that npm installed: `node tasks/deno.mjs ARGUMENTS…`.
 *
 * The binary is taken from its platform package directly, so that it is there with npm's install
 * scripts switched off as well.
 */
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The path of the Deno program that npm brings for a processor, in Node's name for it. */
export function denoPath(root = ROOT, cpu = process.arch) {
  return join(root, "node_modules", "@deno", `linux-${cpu}-glibc`, "deno");
}

/**
 * The environment that Deno runs in: it never asks the network for a newer version, and its caches
 * go where `npm ci` clears them.
 */
export function denoEnvironment(environment = process.env, root = ROOT) {
  return {
    DENO_DIR: join(root, "node_modules", ".cache", "deno"),
    DENO_NO_UPDATE_CHECK: "1",
    ...environment,
  };
}

function main() {
  const deno = denoPath();
  if (!existsSync(deno)) {
    console.error(`deno: ${deno} is missing: run "node tasks/setup.mjs" first`);
    process.exit(1);
  }
  const child = spawn(deno, process.argv.slice(2), { stdio: "inherit", env: denoEnvironment() });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => child.kill(signal));
  }
  // A child that died of a signal is reported as shells do it.
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main();
