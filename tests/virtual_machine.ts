/**
 * A virtual machine whose kernel is Debian's own, for hosts that this machine is not: one with cgroup v2
 * alone, with AppArmor or SELinux, or of another processor, and with its first root file system still in
 * use. It is emulated by software, so that it is the same everywhere, and slow.
 *
 * `tasks/setup.mjs` brings what it takes, when it is asked to.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { architecture, imagesFor } from "../tasks/project.ts";
import { machineDirectory, MACHINES, wantsAll } from "../tasks/setup.mjs";
import { execute, must, type Result, which } from "./host.ts";
import { BUSYBOX } from "./images.ts";
import { ISOLATED_STAGE1, type Need, STAGE1 } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** Its own scripts. */
const SCRIPTS = new URL("virtual_machine", import.meta.url).pathname;

/** Programs that the machine's busybox has not, or in a version that can do less. */
const PROGRAMS = ["flock", "unshare"];

/** A machine that can be had. */
export interface Machine {
  /** Its processor, in Debian's spelling. */
  readonly processor: keyof typeof MACHINES;
  /** The images that pods in it are made with. */
  readonly stage1: ReturnType<typeof imagesFor>;
  /** Options of qemu that say what it is. */
  readonly model: readonly string[];
  /** The kernel's name of its first serial port, on which the kernel speaks. */
  readonly console: string;
  /** Its second serial port: a device of qemu's, and the kernel's name of it. */
  readonly results: { readonly device: string; readonly name: string };
  /** The dynamic loader and the libraries, in its packages. */
  readonly libraries: readonly string[];
  /** How many seconds a case may take. */
  readonly patience: number;
}

/** A PC, which has the images under test. */
export const AMD64: Machine = {
  processor: "amd64",
  stage1: { host: STAGE1, isolated: ISOLATED_STAGE1 },
  model: ["-cpu", "max"],
  console: "ttyS0",
  results: { device: "isa-serial", name: "ttyS1" },
  libraries: ["lib64", "lib/x86_64-linux-gnu"],
  patience: 60,
};

/** A board with an early processor: what later ones have besides takes longer to emulate. */
export const ARM64: Machine = {
  processor: "arm64",
  stage1: imagesFor(architecture("aarch64")),
  model: ["-machine", "virt", "-cpu", "cortex-a53"],
  console: "ttyAMA0",
  results: { device: "pci-serial", name: "ttyS0" },
  libraries: ["lib/ld-linux-aarch64.so.1", "lib/aarch64-linux-gnu"],
  patience: 180,
};

/** What it takes to have a machine. */
export function machineNeeds(machine: Machine): Need[] {
  const { emulator, hosts } = MACHINES[machine.processor];
  const cpu = Deno.build.arch === "x86_64" ? "x64" : "arm64";
  return [
    { what: hosts.join(" or "), met: hosts.includes(cpu) },
    { what: "VOLO_ALL=1", met: wantsAll(Deno.env.toObject()) },
    { what: emulator.program, met: which(emulator.program) !== undefined },
    { what: "Debian's kernel unpacked", met: existsSync(machineDirectory(machine.processor)) },
  ];
}

/** The busybox of a machine, for images of pods in it. */
export function machineBusybox({ processor }: Machine): string {
  return `${machineDirectory(processor)}/bin/busybox`;
}

/** What is done in the machine, with a pod of its own. */
export interface Case {
  pod: Pod;
  /** Lines for a shell, which has the functions of `virtual_machine/stage0.sh`. */
  commands: string;
}

/** What the machine is, and what it holds beside its cases. */
export interface MachineOptions {
  machine: Machine;
  /** A directory for its files, which must exist. */
  dir: string;
  /** Without it, the machine has Debian's module, which enforces nothing. */
  security?: Security | undefined;
}

/** The machine's security module, and what it enforces: apparmor.d(5), or the language of checkpolicy(8). */
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
  if (security) await compilePolicy(security, packages, `${dir}/policy`, `${root}/policy`);
  for (const [number, it] of cases.entries()) await addCase(root, number, it);
  // Programs that pods share are links to one file, in the archive as well.
  const pack = 'cd "$1" && find . | "$2" cpio -o -H newc > "$3"';
  await must(["sh", "-c", pack, "pack", root, BUSYBOX!, `${dir}/initramfs`]);
  return await readResults(dir, cases.length, await emulate(packages, options));
}

/** Everything but what is given. */
async function furnish(root: string, packages: string, libraries: readonly string[]) {
  for (const name of ["bin", "programs", "cases", "pods/run"]) {
    await Deno.mkdir(`${root}/${name}`, { recursive: true });
  }
  await Deno.copyFile(`${SCRIPTS}/init.sh`, `${root}/init`);
  await Deno.chmod(`${root}/init`, 0o755);
  await Deno.copyFile(`${SCRIPTS}/stage0.sh`, `${root}/stage0.sh`);
  const { modules } = findKernel(packages);
  await Deno.copyFile(`${modules}/drivers/block/brd.ko`, `${root}/brd.ko`);
  await Deno.copyFile(`${packages}/bin/busybox`, `${root}/bin/busybox`);
  for (const name of PROGRAMS) {
    await Deno.copyFile(`${packages}/usr/bin/${name}`, `${root}/programs/${name}`);
  }
  const copy = 'cd "$1" && shift && cp --archive --parents "$@"';
  await must(["sh", "-c", copy, "copy", packages, ...libraries, root]);
}

function findKernel(packages: string): { image: string; modules: string } {
  const [version] = [...Deno.readDirSync(`${packages}/lib/modules`)].map(({ name }) => name);
  return {
    image: `${packages}/boot/vmlinuz-${version}`,
    modules: `${packages}/lib/modules/${version}/kernel`,
  };
}

/** Compiled for a kernel that the compiler takes for granted, whatever this machine's is. */
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

/** KVM would be faster, but what it can do is not the same everywhere, and seldom anything in a container. */
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
    // A machine that panics restarts, and one that restarts ends.
    ...["-no-reboot", "-kernel", findKernel(packages).image, "-initrd", `${dir}/initramfs`],
    ...["-append", commandLine(machine, security)],
  ]);
}

/** The kernel's; names that it does not know become variables of `init.sh`. */
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

/** The exit code, and what was printed on either way, in base 64. */
function readResult(line: string): Result {
  const [code, stdout = "", stderr = ""] = line.trimEnd().split(" ");
  const decode = (field: string) => new TextDecoder().decode(Uint8Array.fromBase64(field));
  return { code: Number(code), signal: null, stdout: decode(stdout), stderr: decode(stderr) };
}
