/**
 * The set-up of a fresh clone: it installs the npm packages of the lock file, and the Debian
 * packages with the programs that tasks and tests call. It needs only Node, since all else is
 * installed by it.
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

/** The directory of network plugins on Debian. */
const PLUGINS = "/usr/lib/cni";

/** The programs that pods with networks need. */
const NETWORK_PROGRAMS = [
  { program: "portmap", package: "containernetworking-plugins" },
  { program: "iptables", package: "iptables" },
  { program: "ip", package: "iproute2" },
];

/** The static libc, with which the attackers of the hostile pods are linked. */
const STATIC_LIBC = [{ program: "libc.a", package: "libc6-dev" }];
const LIBRARY_DIRECTORIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/**
 * The programs that build images for the other processor, and execute programs for it: Debian's
 * compiler and qemu. The keys are Node's names of this machine's processor.
 */
const CROSS_PROGRAMS = {
  x64: [
    { program: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu" },
    { program: "qemu-aarch64-static", package: "qemu-user-static" },
  ],
  arm64: [
    { program: "x86_64-linux-gnu-gcc", package: "gcc-x86-64-linux-gnu" },
    { program: "qemu-x86_64-static", package: "qemu-user-static" },
  ],
};

/** The Debian packages that a virtual machine has in addition to the entrypoints. */
const MACHINE_PACKAGES = ["busybox-static", "libc6", "libgcc-s1", "util-linux"];

/**
 * The virtual machines of the tests, by Debian's name of their processor: the emulator, Debian's
 * name for the newest small kernel, further packages to unpack, and the processors (by Node's
 * names) of machines on which it is available. The compilers of security policies in the packages
 * run here.
 */
export const MACHINES = {
  amd64: {
    emulator: { program: "qemu-system-x86_64", package: "qemu-system-x86" },
    kernel: "linux-image-cloud-amd64",
    packages: [...MACHINE_PACKAGES, "apparmor", "checkpolicy"],
    hosts: ["x64"],
  },
  arm64: {
    emulator: { program: "qemu-system-aarch64", package: "qemu-system-arm" },
    kernel: "linux-image-cloud-arm64",
    packages: MACHINE_PACKAGES,
    hosts: ["x64", "arm64"],
  },
};

/** The Debian packages of the servers that tests run in pods, and what their scripts call. */
const SERVER_PACKAGES = ["nginx-light", "postgresql", "redis-server", "nodejs", "busybox-static"];

/** The directory in which the servers and all that they depend on are unpacked, as one root. */
export const SERVERS = join(ROOT, "node_modules", ".cache", "servers");

/** Debian's names of processors, by Node's. */
const DEBIAN_PROCESSORS = { x64: "amd64", arm64: "arm64" };

/** The Debian packages of a virtual machine with systemd: systemd, its bus, and their libraries. */
const SYSTEMD_PACKAGES = [
  ...["systemd", "systemd-container", "libsystemd-shared", "libsystemd0", "libudev1"],
  ...["dbus", "dbus-bin", "dbus-daemon", "dbus-system-bus-common", "libdbus-1-3", "libexpat1"],
  ...["libacl1", "libapparmor1", "libaudit1", "libblkid1", "libc6", "libcap-ng0", "libcap2"],
  ...["libcrypt1", "libcryptsetup12", "libdevmapper1.02.1", "libfdisk1", "libgcc-s1"],
  ...["libgcrypt20", "libgpg-error0", "libip4tc2", "libjson-c5", "libkmod2", "liblz4-1"],
  ...["liblzma5", "libmount1", "libpam0g", "libpcre2-8-0", "libseccomp2", "libselinux1"],
  ...["libssl3", "libuuid1", "libzstd1"],
];

/**
 * Returns the directory in which systemd is unpacked, for the same reason as
 * {@link machineDirectory}.
 * @returns {string}
 */
export function systemdDirectory() {
  return join(ROOT, "node_modules", ".cache", "machine-systemd");
}

/**
 * Returns the directory in which a virtual machine's packages are unpacked. They are not installed:
 * that would change how this machine boots, what it confines, and for which processors it has
 * packages.
 * @param {keyof typeof MACHINES} processor
 * @returns {string}
 */
export function machineDirectory(processor) {
  return join(ROOT, "node_modules", ".cache", `machine-${processor}`);
}

/** An ELF program header of this type names a dynamic loader: elf(5). */
const PT_INTERP = 3;

/**
 * Tells whether an ELF file of 64 bits needs no dynamic loader.
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
 * Tells whether npm has installed the packages of the lock file. Those for other platforms may be
 * absent.
 * @param {Record<string, { version: string, integrity?: string, cpu?: string[], os?: string[] }>}
 *   locked `packages` of package-lock.json
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
 * Lists the Debian packages of programs that are missing or, like a dynamic busybox, not
 * acceptable.
 * @param {string[]} directories the directories in which programs are looked for
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
 * Tells whether all tests are asked for, also those in virtual machines, which need some minutes
 * and 1.3 GB.
 * @param {Record<string, string | undefined>} environment `CI` is as others set it, so any value
 *   but `0` and `false` is a yes
 * @returns {boolean}
 */
export function wantsAll({ VOLO_ALL: all = "", CI: ci = "" }) {
  if (!["", "0", "1"].includes(all)) {
    throw new Error(`VOLO_ALL: ${JSON.stringify(all)} is not 1, for all tests, or 0`);
  }
  return all === "1" || !["", "0", "false"].includes(ci);
}

/**
 * Returns the package of the newest kernel, on which Debian's name for that depends.
 * @param {string} text the output of `apt-cache depends` for that name
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
  // Some shells have no directories for administrators in PATH. Debian has a few programs there.
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

/** Installs packages. When that fails, goes on: the tests that need them are skipped by name. */
function installOrGoOn(what, install) {
  try {
    install();
  } catch (error) {
    console.error(`setup: there will be no ${what}: ${error.message}`);
  }
}

function installMachine(processor) {
  installPrograms([MACHINES[processor].emulator]);
  if (!existsSync(machineDirectory(processor))) unpackMachine(processor);
  if (processor === "amd64" && !existsSync(systemdDirectory())) unpackSystemd(processor);
}

function unpackMachine(processor) {
  const { kernel, packages } = MACHINES[processor];
  unpack(processor, machineDirectory(processor), (options, failure) => {
    const found = run("apt-cache", [...options, "depends", kernel], failure);
    return [kernelPackage(found), ...packages];
  });
}

function unpackSystemd(processor) {
  unpack(processor, systemdDirectory(), () => SYSTEMD_PACKAGES);
}

/** Unpacks packages, whose names `choose` returns when apt's lists are there. */
function unpack(processor, directory, choose) {
  const failure = `the Debian packages of a virtual machine (${processor}) could not be unpacked`;
  const partial = `${directory}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(join(partial, "apt"), { recursive: true });
  const options = aptOptions(processor, join(partial, "apt"));
  run("apt-get", [...options, "update"], failure);
  const packages = choose(options, failure);
  console.log(`setup: unpacking ${packages.join(", ")} for a virtual machine (${processor})`);
  run("apt-get", [...options, "download", ...packages], failure, partial);
  const extract = 'for package in *.deb; do dpkg-deb --extract "$package" . && rm "$package"; done';
  run("sh", ["-ec", `${extract}; rm -r apt`], failure, partial);
  renameSync(partial, directory);
}

function installServers() {
  const processor = DEBIAN_PROCESSORS[process.arch];
  if (processor === undefined) throw new Error(`no packages for ${process.arch}`);
  if (!existsSync(SERVERS)) unpackServers(processor);
}

/**
 * Unpacks the servers with all that they depend on. They are not installed, as that would start
 * them on this machine.
 */
function unpackServers(processor) {
  const failure = "the Debian packages of servers could not be unpacked";
  const partial = `${SERVERS}.partial`;
  const apt = join(partial, "apt");
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(join(apt, "archives", "partial"), { recursive: true });
  console.log(`setup: unpacking ${SERVER_PACKAGES.join(", ")} with all that they depend on`);
  const options = aptOptions(processor, apt);
  run("apt-get", [...options, "update"], failure);
  const install = ["--yes", "--no-install-recommends", "--download-only", "install"];
  run("apt-get", [...options, ...install, ...SERVER_PACKAGES], failure);
  run("sh", ["-ec", UNPACK_ROOT], failure, partial);
  renameSync(partial, SERVERS);
}

/**
 * Unpacks packages into a root whose directories are merged with those of `/usr`, whether the
 * packages know of that or not.
 */
const UNPACK_ROOT = [
  "for name in bin lib lib64 sbin; do mkdir -p usr/$name && ln -s usr/$name $name; done",
  "mkdir run var && ln -s ../run var/run",
  "for package in apt/archives/*.deb; do",
  '  dpkg-deb --fsys-tarfile "$package" | tar --extract --keep-directory-symlink',
  "done",
  "rm -r apt",
].join("\n");

/**
 * Returns options by which apt looks for packages of a processor, with lists of its own, so that
 * the packages that this machine may install stay the same.
 * @param {string} processor its name on Debian
 * @param {string} directory the directory for apt's lists
 * @returns {string[]}
 */
function aptOptions(processor, directory) {
  const settings = {
    "APT::Architecture": processor,
    "APT::Architectures::": processor,
    "APT::Sandbox::User": "root",
    "Dir::Cache": directory,
    "Dir::State": directory,
    "Dir::State::status": "/dev/null",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** Runs a program, and shows its output only when it fails. */
function run(program, args, failure, cwd = ROOT) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const result = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  if (result.status === 0) return result.stdout;
  console.error(result.error?.message ?? `${result.stdout}${result.stderr}`.trim());
  throw new Error(`${failure}: "${program} ${args.join(" ")}" failed`);
}

const USAGE = `Usage: node tasks/setup.mjs

Installs what is missing: the npm packages of package-lock.json, Deno among them, and Debian's
packages with the programs that tasks and tests call.

Variables of the environment
  VOLO_ALL=1  also install what the tests with networks and virtual machines need
  CI=true     the same, as continuous integration has it`;

/** Answers `--help`, and refuses all else: the set-up has no options. */
function readArguments(args) {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(USAGE);
    process.exit(0);
  }
  if (args.length === 0) return;
  console.error(`setup: ${args[0]}: there is no such option or argument\n${USAGE.split("\n")[0]}`);
  process.exit(2);
}

function main() {
  readArguments(process.argv.slice(2));
  try {
    // A wrong variable is told before anything is installed.
    const all = wantsAll(process.env);
    installLibraries();
    installPrograms(PROGRAMS);
    if (!all) return;
    installOrGoOn("networks", () => installPrograms(NETWORK_PROGRAMS));
    installOrGoOn("hostile pods", () => installPrograms(STATIC_LIBC));
    installOrGoOn(
      "images for another processor",
      () => installPrograms(CROSS_PROGRAMS[process.arch] ?? []),
    );
    installOrGoOn("servers", installServers);
    for (const [processor, { hosts }] of Object.entries(MACHINES)) {
      if (!hosts.includes(process.arch)) continue;
      installOrGoOn(`virtual machine (${processor})`, () => installMachine(processor));
    }
  } catch (error) {
    console.error(`setup: ${error.message}`);
    process.exit(1);
  }
}

// Tests import this file, and the examples in comments run from files that are not there.
const program = process.argv[1];
if (existsSync(program) && realpathSync(program) === fileURLToPath(import.meta.url)) main();
