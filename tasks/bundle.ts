/**
 * Bundles: each entrypoint with all of its imports as one small module, so that it loads fast.
 *
 * @module
 */

import { type BuildFailure, type BuildOptions, buildSync, type Metafile } from "esbuild";
import config from "../deno.json" with { type: "json" };
import { ROOT } from "./project.ts";

const OPTIONS = {
  absWorkingDir: ROOT,
  alias: localImports(),
  bundle: true,
  external: ["node:*"],
  format: "esm",
  legalComments: "none",
  logLevel: "silent",
  metafile: true,
  // Functions keep their names, for the stack of an error.
  minifySyntax: true,
  minifyWhitespace: true,
  nodePaths: [`${ROOT}/node_modules`],
  platform: "neutral",
  target: "esnext",
  write: false,
} as const satisfies BuildOptions;

/**
 * Bundles and minifies an entrypoint.
 *
 * @param entry The entrypoint's source file.
 * @returns An ECMAScript module that imports only modules built into Deno (`node:…`).
 * @throws {Error} when the source cannot be bundled; it has the first reason and its place.
 */
export function bundle(entry: string): string {
  const { metafile, outputFiles } = runBundler(entry);
  requireSelfContained(metafile, entry);
  return outputFiles[0]!.text;
}

/**
 * Lists the names of the npm packages that a bundle has parts of.
 *
 * @param entry The entrypoint's source file.
 * @throws {Error} when the source cannot be bundled.
 */
export function bundledPackages(entry: string): string[] {
  const { outputs } = runBundler(entry).metafile;
  const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  const names = inputs.map(([path]) => path.match(/.*\bnode_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
  return [...new Set(names)].filter((name) => name !== undefined).sort();
}

function runBundler(entry: string) {
  try {
    return buildSync({ ...OPTIONS, entryPoints: [entry] });
  } catch (error) {
    throw new Error(`${entry}: cannot be bundled`, { cause: firstFailure(error) });
  }
}

/** Lists the import map's names for paths. Those for packages are resolved by esbuild itself. */
function localImports(): Record<string, string> {
  const local = Object.entries(config.imports).filter(([, target]) => target.startsWith("./"));
  return Object.fromEntries(local.map(([name, target]) => [name, `${ROOT}/${target.slice(2)}`]));
}

function requireSelfContained(metafile: Metafile, entry: string): void {
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const left = imports.find(({ path }) => !path.startsWith("node:"));
  if (left !== undefined) throw new Error(`${entry}: ${left.path} would be imported at run time`);
}

function firstFailure(error: unknown): unknown {
  const first = (error as Partial<BuildFailure>).errors?.[0];
  if (first === undefined) return error;
  const { location, text } = first;
  return new Error(location === null ? text : `${location.file}:${location.line}: ${text}`);
}
