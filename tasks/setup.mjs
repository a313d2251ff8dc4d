/**
 * Makes a fresh clone ready: the npm packages that the lock file names, and the Debian programs that
 * the tasks and tests call. It uses Node alone, because it is what brings everything else.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The programs that the tasks call, with the Debian package of each. */
const PROGRAMS = [
  { program: "gpg", package: "gnupg" },
  { program: "xz", package: "xz-utils" },
  { program: "busybox", package: "busybox-static", accept: isStatic },
  { program: "unshare", package: "util-linux" },
  { program: "flock", package: "util-linux" },
  { program: "mount", package: "mount" },
];

/** An ELF program header of this type names a dynamic loader: elf(5). */
const PT_INTERP = 3;

/**
 * Whether an ELF file of 64 bits needs no dynamic loader.
 * @param {string} path
 * @returns {boolean}
 */
export function isStatic(path) {
  const file = readFileSync(path);
  if (file.readUInt32BE(0) !== 0x7f454c46) return false;
  const table = Number(file.readBigUInt64LE(32));
  const size = file.readUInt16LE(54);
  const types = Array.from(
    { length: file.readUInt16LE(56) },
    (_, index) => file.readUInt32LE(table + index * size),
  );
  return !types.includes(PT_INTERP);
}

/**
 * Whether what npm installed is what the lock file says. Packages for other platforms may be absent.
 * @param {Record<string, { version: string, integrity?: string, cpu?: string[], os?: string[] }>} locked
 *   `packages` of package-lock.json
 * @param {Record<string, { version: string, integrity?: string }>} installed
 *   `packages` of node_modules/.package-lock.json
 * @param {{ cpu: string, os: string }} platform in Node's names
 * @returns {boolean}
 */
export function matchesLock(locked, installed, platform) {
  return Object.entries(locked).every(([path, entry]) => {
    if (path === "" || isForeign(entry, platform)) return true;
    const found = installed[path];
    return found?.version === entry.version && found?.integrity === entry.integrity;
  });
}

function isForeign(entry, platform) {
  return entry.cpu?.includes(platform.cpu) === false || entry.os?.includes(platform.os) === false;
}

/**
 * The Debian packages of the programs that are missing or, like a dynamic busybox, no use here.
 * @param {string[]} directories where programs are looked for
 * @returns {string[]}
 */
export function missingPackages(directories) {
  const missing = PROGRAMS.filter(({ program, accept = () => true }) => {
    const paths = directories.map((directory) => join(directory, program));
    return !paths.some((path) => existsSync(path) && accept(path));
  });
  return [...new Set(missing.map((each) => each.package))];
}

function installLibraries() {
  const readPackages = (...path) => {
    const file = join(ROOT, ...path);
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : {};
  };
  const platform = { cpu: process.arch, os: process.platform };
  const installed = readPackages("node_modules", ".package-lock.json");
  if (matchesLock(readPackages("package-lock.json"), installed, platform)) return;
  console.log("setup: installing the libraries and Deno with npm");
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  run("npm", ["ci", ...options], "the npm packages could not be installed");
}

function installPrograms() {
  // Some shells leave out the directories for administrators, where Debian keeps a few of these.
  const search = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const packages = missingPackages(search.filter((directory) => directory !== ""));
  if (packages.length === 0) return;
  const line = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || spawnSync("apt-get", ["--version"]).error) {
    fail(`programs are missing: as root, run "apt-get update && ${line}"`);
  }
  console.log(`setup: installing ${packages.join(", ")} with apt-get`);
  const failure = "the Debian packages could not be installed";
  run("apt-get", ["update"], failure);
  run("apt-get", line.split(" ").slice(1), failure);
}

/** Runs a program quietly; what it said is shown only when it fails. */
function run(program, args, failure) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const result = spawnSync(program, args, { cwd: ROOT, env, encoding: "utf8" });
  if (result.status === 0) return;
  console.error(result.error?.message ?? `${result.stdout}${result.stderr}`.trim());
  fail(`${failure}: "${program} ${args.join(" ")}" failed`);
}

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  installLibraries();
  installPrograms();
}
