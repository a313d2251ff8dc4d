/**
 * Makes a fresh clone ready: the npm packages that the lock file names, and the Debian programs that
 * the tasks and tests call. It uses Node alone, because it is what brings everything else.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The programs that the tasks call, with the Debian package of each. */
const PROGRAMS = [
  { program: "gpg", package: "gnupg" },
  { program: "xz", package: "xz-utils" },
  { program: "busybox", package: "busybox-static", accept: isStatic },
  { program: "gcc", package: "gcc" },
  { program: "unshare", package: "util-linux" },
  { program: "flock", package: "util-linux" },
  { program: "mount", package: "mount" },
];

/** Where Debian keeps network plugins. */
const PLUGINS = "/usr/lib/cni";

/** The programs that pods with a network take. */
const NETWORK_PROGRAMS = [
  { program: "portmap", package: "containernetworking-plugins" },
  { program: "iptables", package: "iptables" },
  { program: "ip", package: "iproute2" },
];

/** What it takes to build the attackers of hostile pods: libc to be linked statically, in Debian's place for this processor. */
const STATIC_LIBC = [{ program: "libc.a", package: "libc6-dev" }];
const LIBRARY_DIRECTORIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/** The program that the tests in a virtual machine call beside those. */
const EMULATOR = { program: "qemu-system-x86_64", package: "qemu-system-x86" };

/** What depends on Debian's newest small kernel, and packages with the compilers of security policies. */
const MACHINE_PACKAGES = {
  kernel: "linux-image-cloud-amd64",
  compilers: ["apparmor", "checkpolicy"],
};

/** Where those are unpacked: installed, they would change how this machine boots and what it confines. */
export const MACHINE_DIRECTORY = join(ROOT, "node_modules", ".cache", "machine");

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
 * @param {{ program: string, package: string, accept?: (path: string) => boolean }[]} programs
 * @returns {string[]}
 */
export function missingPackages(directories, programs = PROGRAMS) {
  const missing = programs.filter(({ program, accept = () => true }) => {
    const paths = directories.map((directory) => join(directory, program));
    return !paths.some((path) => existsSync(path) && accept(path));
  });
  return [...new Set(missing.map((each) => each.package))];
}

/**
 * Whether all tests are asked for, also those in a virtual machine, which take some minutes, and 300 MB for what
 * they need.
 * @param {Record<string, string | undefined>} environment
 * @returns {boolean}
 */
export function wantsAll(environment) {
  return environment.VOLO_ALL === "1" || environment.CI === "true";
}

/**
 * The package of a kernel, which Debian's name for the newest one depends on.
 * @param {string} text what `apt-cache depends` says of that name
 * @returns {string}
 */
export function kernelPackage(text) {
  const [, name] = text.match(/^ *Depends: (linux-image-\S+)$/m) ?? [];
  if (name === undefined) throw new Error("this machine's package sources have no Debian kernel");
  return name;
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

function installPrograms(programs) {
  // Some shells leave out the directories for administrators, where Debian keeps a few of these.
  const path = (process.env.PATH ?? "").split(delimiter);
  const search = [...path, "/usr/sbin", "/sbin", PLUGINS, ...LIBRARY_DIRECTORIES];
  const packages = missingPackages(search.filter((directory) => directory !== ""), programs);
  if (packages.length === 0) return;
  const line = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || spawnSync("apt-get", ["--version"]).error) {
    throw new Error(`programs are missing: as root, run "apt-get update && ${line}"`);
  }
  console.log(`setup: installing ${packages.join(", ")} with apt-get`);
  const failure = "the Debian packages could not be installed";
  run("apt-get", ["update"], failure);
  run("apt-get", line.split(" ").slice(1), failure);
}

/** Without them, the tests that need them are skipped, and say so. */
function installOrGoOn(what, install) {
  try {
    install();
  } catch (error) {
    console.error(`setup: there will be no ${what}: ${error.message}`);
  }
}

function installMachine() {
  installPrograms([EMULATOR]);
  if (!existsSync(MACHINE_DIRECTORY)) unpackMachine();
}

function unpackMachine() {
  const failure = "the virtual machine's Debian packages could not be unpacked";
  const { kernel, compilers } = MACHINE_PACKAGES;
  run("apt-get", ["update"], failure);
  const packages = [kernelPackage(run("apt-cache", ["depends", kernel], failure)), ...compilers];
  console.log(`setup: unpacking ${packages.join(", ")} for a virtual machine`);
  const partial = `${MACHINE_DIRECTORY}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  run("apt-get", ["download", ...packages], failure, partial);
  const unpack = 'for package in *.deb; do dpkg-deb --extract "$package" . && rm "$package"; done';
  run("sh", ["-ec", unpack], failure, partial);
  renameSync(partial, MACHINE_DIRECTORY);
}

/** Runs a program quietly; what it said is shown only when it fails. */
function run(program, args, failure, cwd = ROOT) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const result = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  if (result.status === 0) return result.stdout;
  console.error(result.error?.message ?? `${result.stdout}${result.stderr}`.trim());
  throw new Error(`${failure}: "${program} ${args.join(" ")}" failed`);
}

function main() {
  try {
    installLibraries();
    installPrograms(PROGRAMS);
    if (!wantsAll(process.env)) return;
    installOrGoOn("networks", () => installPrograms(NETWORK_PROGRAMS));
    installOrGoOn("hostile pods", () => installPrograms(STATIC_LIBC));
    if (process.arch === "x64") installOrGoOn("virtual machine", installMachine);
  } catch (error) {
    console.error(`setup: ${error.message}`);
    process.exit(1);
  }
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main();
