/**
 * A virtual machine with Debian's own kernel, for hosts that this machine is not: with cgroup v2
 * alone, with AppArmor or SELinux, with another processor, or with the first root file system still
 * in use. Software emulates it, so that it is the same everywhere, but slow.
 *
 * `tasks/setup.mjs` brings what it takes, when it is asked to.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { architecture, imagesFor } from "../tasks/project.ts";
import { machineDirectory, MACHINES, systemdDirectory, wantsAll } from "../tasks/setup.mjs";
import { execute, must, type Result, which } from "./host.ts";
import { BUSYBOX } from "./images.ts";
import { ISOLATED_STAGE1, type Need, STAGE1 } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** The directory of the scripts that run in the machine. */
const SCRIPTS = new URL("virtual_machine", import.meta.url).pathname;

/** The units that the documentation shows. */
const UNITS = new URL("../docs/systemd", import.meta.url).pathname;

/** Programs that the machine's busybox lacks, or has in a version that can do less. */
const PROGRAMS = ["flock", "unshare"];

/** A kind of machine. */
export interface Machine {
  /** Its processor, in Debian's spelling. */
  readonly processor: keyof typeof MACHINES;
  /** The images of stage1 for this processor. */
  readonly stage1: ReturnType<typeof imagesFor>;
  /** Options of qemu that describe the machine. */
  readonly model: readonly string[];
  /** The kernel's name of the first serial port, to which the kernel writes. */
  readonly console: string;
  /** The second serial port: qemu's device, and the kernel's name of it. */
  readonly results: { readonly device: string; readonly name: string };
  /** The dynamic loader and the libraries, in the unpacked packages. */
  readonly libraries: readonly string[];
  /** How many seconds a case may take. */
  readonly patience: number;
  /** Whether systemd is its first program. */
  readonly hasSystemd?: boolean;
}

/** A PC; its images are the ones under test. */
export const AMD64: Machine = {
  processor: "amd64",
  stage1: { host: STAGE1, isolated: ISOLATED_STAGE1 },
  model: ["-cpu", "max"],
  console: "ttyS0",
  results: { device: "isa-serial", name: "ttyS1" },
  libraries: ["lib64", "lib/x86_64-linux-gnu"],
  patience: 60,
};

/** The same with Debian's systemd, and a stand-in for rkt that units can call. */
export const SYSTEMD: Machine = { ...AMD64, patience: 240, hasSystemd: true };

/** What a unit's machine has of Debian's packages. */
const SYSTEMD_PATHS = ["bin", "etc", "lib", "lib64", "usr/bin", "usr/lib", "usr/share/dbus-1"];

/** A board with an early processor: emulating a later one takes longer. */
export const ARM64: Machine = {
  processor: "arm64",
  stage1: imagesFor(architecture("aarch64")),
  model: ["-machine", "virt", "-cpu", "cortex-a53"],
  console: "ttyAMA0",
  results: { device: "pci-serial", name: "ttyS0" },
  libraries: ["lib/ld-linux-aarch64.so.1", "lib/aarch64-linux-gnu"],
  patience: 180,
};

/** Lists what this machine needs to emulate a machine. */
export function machineNeeds(machine: Machine): Need[] {
  const { emulator, hosts } = MACHINES[machine.processor];
  const cpu = Deno.build.arch === "x86_64" ? "x64" : "arm64";
  return [
    { what: hosts.join(" or "), met: hosts.includes(cpu) },
    { what: "VOLO_ALL=1", met: wantsAll(Deno.env.toObject()) },
    { what: emulator.program, met: which(emulator.program) !== undefined },
    { what: "Debian's kernel unpacked", met: existsSync(machineDirectory(machine.processor)) },
    ...(machine.hasSystemd
      ? [{ what: "Debian's systemd unpacked", met: existsSync(systemdDirectory()) }]
      : []),
  ];
}

/** Returns the path of a machine's busybox, for images of pods in it. */
export function machineBusybox({ processor }: Machine): string {
  return `${machineDirectory(processor)}/bin/busybox`;
}

/** Commands to run in the machine, with a pod of their own. */
export interface Case {
  pod: Pod;
  /** Shell lines that use the functions of `virtual_machine/stage0.sh`. */
  commands: string;
}

/** The kind of the machine, and its security module. */
export interface MachineOptions {
  machine: Machine;
  /** A directory for its files, which must exist. */
  dir: string;
  /** By default, the machine has Debian's module, which enforces nothing. */
  security?: Security | undefined;
}

/** A security module and its policy, in the language of apparmor.d(5) or checkpolicy(8). */
export interface Security {
  module: "apparmor" | "selinux";
  policy: string;
}

/**
 * Boots a machine, has it work through the cases, and waits for its end.
 *
 * @returns What the commands of each case left behind, in order.
 * @throws {Error} with what the kernel said, when the machine did not get to the end.
 */
export async function bootMachine(cases: Case[], options: MachineOptions): Promise<Result[]> {
  const { machine, dir, security } = options;
  const [root, packages] = [`${dir}/root`, machineDirectory(machine.processor)];
  await furnish(root, packages, machine.libraries);
  if (machine.hasSystemd) await furnishSystemd(root);
  if (security) await compilePolicy(security, packages, `${dir}/policy`, `${root}/policy`);
  for (const [number, it] of cases.entries()) await addCase(root, number, it);
  // cpio keeps the programs that pods share as links to one file.
  const pack = 'cd "$1" && find . | "$2" cpio -o -H newc > "$3"';
  await must(["sh", "-c", pack, "pack", root, BUSYBOX!, `${dir}/initramfs`]);
  return await readResults(dir, cases.length, await emulate(packages, options));
}

/** Puts everything into the machine's root but the cases and the policy. */
async function furnish(root: string, packages: string, libraries: readonly string[]) {
  for (const name of ["bin", "programs", "cases", "pods/run"]) {
    await Deno.mkdir(`${root}/${name}`, { recursive: true });
  }
  await Deno.copyFile(`${SCRIPTS}/init.sh`, `${root}/init`);
  await Deno.chmod(`${root}/init`, 0o755);
  for (const name of ["stage0.sh", "cases.sh"]) {
    await Deno.copyFile(`${SCRIPTS}/${name}`, `${root}/${name}`);
  }
  const { modules } = findKernel(packages);
  await Deno.copyFile(`${modules}/drivers/block/brd.ko`, `${root}/brd.ko`);
  await Deno.copyFile(`${packages}/bin/busybox`, `${root}/bin/busybox`);
  for (const name of PROGRAMS) {
    await Deno.copyFile(`${packages}/usr/bin/${name}`, `${root}/programs/${name}`);
  }
  const copy = 'cd "$1" && shift && cp --archive --parents "$@"';
  await must(["sh", "-c", copy, "copy", packages, ...libraries, root]);
}

/** Adds systemd, and the units of the documentation. */
async function furnishSystemd(root: string): Promise<void> {
  const copy = 'cd "$1" && shift && cp --archive --parents "$@"';
  await must(["sh", "-c", copy, "copy", systemdDirectory(), ...SYSTEMD_PATHS, root]);
  const units = `${root}/etc/systemd/system`;
  for (const name of ["cases.service", "machine.target"]) {
    await Deno.copyFile(`${SCRIPTS}/systemd/${name}`, `${units}/${name}`);
  }
  for (const { name } of Deno.readDirSync(UNITS)) {
    await Deno.copyFile(`${UNITS}/${name}`, `${units}/${name}`);
  }
  for (const [script, path] of [["init.sh", "init"], ["rkt.sh", "usr/bin/rkt"]]) {
    await Deno.copyFile(`${SCRIPTS}/systemd/${script}`, `${root}/${path}`);
    await Deno.chmod(`${root}/${path}`, 0o755);
  }
}

function findKernel(packages: string): { image: string; modules: string } {
  const [version] = [...Deno.readDirSync(`${packages}/lib/modules`)].map(({ name }) => name);
  return {
    image: `${packages}/boot/vmlinuz-${version}`,
    modules: `${packages}/lib/modules/${version}/kernel`,
  };
}

/** Compiles a policy for the options' kernel version, whatever this machine's kernel is. */
async function compilePolicy(
  { module, policy }: Security,
  packages: string,
  source: string,
  target: string,
): Promise<void> {
  const compilers = {
    apparmor: ["sbin/apparmor_parser", "--skip-kernel-load", "--skip-cache", "--ofile", target],
    selinux: ["usr/bin/checkpolicy", "-M", "-U", "allow", "-c", "33", "-o", target],
  };
  const [compiler, ...options] = compilers[module];
  await Deno.writeTextFile(source, policy);
  await must([`${packages}/${compiler}`, ...options, source]);
}

async function addCase(root: string, number: number, { pod, commands }: Case): Promise<void> {
  await must(["cp", "--archive", "--link", pod.dir, `${root}/pods/run/${pod.uuid}`]);
  const script = `export uuid=${pod.uuid} net=${pod.net}\n. /stage0.sh\n${commands}\n`;
  await Deno.writeTextFile(`${root}/cases/${String(number).padStart(3, "0")}`, script);
}

/**
 * Runs the machine in qemu without KVM, whose features differ between machines and which few
 * containers offer.
 */
async function emulate(
  packages: string,
  { machine, dir, security }: MachineOptions,
): Promise<Result> {
  const { processor, model, results } = machine;
  for (const name of ["console", "results"]) await Deno.writeTextFile(`${dir}/${name}`, "");
  return await execute([
    ...[MACHINES[processor].emulator.program, ...model, "-accel", "tcg", "-m", "1536"],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-serial", `file:${dir}/console`],
    ...["-chardev", `file,id=results,path=${dir}/results`],
    ...["-device", `${results.device},chardev=results`],
    // A machine that panics restarts, and qemu ends instead of a restart.
    ...["-no-reboot", "-kernel", findKernel(packages).image, "-initrd", `${dir}/initramfs`],
    ...["-append", commandLine(machine, security)],
  ]);
}

/**
 * Returns the kernel's command line. The kernel makes names that it does not know variables of
 * `init.sh`.
 */
function commandLine({ console, results, patience }: Machine, security?: Security): string {
  return [
    ...[`console=${console}`, "quiet", "panic=-1", "mitigations=off"],
    ...(security ? [`security=${security.module}`] : []),
    ...[`RESULTS=/dev/${results.name}`, `PATIENCE=${patience}`],
  ].join(" ");
}

async function readResults(dir: string, count: number, { stderr }: Result): Promise<Result[]> {
  const lines = (await Deno.readTextFile(`${dir}/results`)).split("\n").filter(Boolean);
  if (lines.length === count) return lines.map(readResult);
  const said = stderr + await Deno.readTextFile(`${dir}/console`);
  throw new Error(`the machine ended after ${lines.length} of ${count} cases:\n${said}`);
}

/** Parses a line of results: the exit code, and both outputs in base 64. */
function readResult(line: string): Result {
  const [code, stdout = "", stderr = ""] = line.trimEnd().split(" ");
  const decode = (field: string) => new TextDecoder().decode(Uint8Array.fromBase64(field));
  return { code: Number(code), signal: null, stdout: decode(stdout), stderr: decode(stderr) };
}
