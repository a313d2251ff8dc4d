/**
 * Installs the libraries for users who have Deno and not npm. It imports none of them, and does
 * nothing when they are installed already.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The libraries that tasks import, by their names in `node_modules`. */
const LIBRARIES = [
  "@cyclonedx/cyclonedx-library",
  "deno-std",
  "esbuild",
  "modern-tar",
  "openpgp",
  "zod",
];

if (Deno.args.length > 0) {
  console.error(`libraries: ${Deno.args[0]}: is too much, as the task takes no arguments`);
  Deno.exit(2);
}
if (!LIBRARIES.every((name) => existsSync(`${ROOT}/node_modules/${name}`))) {
  console.log("Installing the libraries with deno install");
  const options = { args: ["install", "--quiet"], cwd: ROOT };
  const { code } = await new Deno.Command(Deno.execPath(), options).spawn().status;
  if (code !== 0) {
    console.error("libraries: they could not be installed: deno install failed");
    console.error("Where a proxy has certificates of its own, set DENO_TLS_CA_STORE=system.");
  }
  Deno.exit(code);
}
