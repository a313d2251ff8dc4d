/**
 * A virtual machine whose kernel is Debian's own, for hosts that this machine is not: one with cgroup v2
 * alone, with AppArmor or SELinux, and with its first root file system still in use. It is emulated by
 * software, so that it is the same everywhere, and slow.
 *
 * `tasks/setup.mjs` brings what it takes, when it is asked to.
 *
 * @module
 */

import { MACHINE_DIRECTORY, wantsAll } from "../tasks/setup.mjs";
import { execute, must, type Result, which } from "./host.ts";
import { BUSYBOX } from "./images.ts";
import type { Need } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** Programs of this machine's that the other one has. */
const PROGRAMS = ["flock", "unshare"];

const QEMU = which("qemu-system-x86_64");
const KERNEL = findKernel();

/** Its own scripts. */
const SCRIPTS = new URL("virtual_machine", import.meta.url).pathname;

/** What it takes to have one. */
export const MACHINE_NEEDS: Need[] = [
  { what: "x86-64", met: Deno.build.arch === "x86_64" },
  { what: "VOLO_ALL=1", met: wantsAll(Deno.env.toObject()) },
  { what: "qemu-system-x86_64", met: QEMU !== undefined },
  { what: "Debian's kernel unpacked", met: KERNEL !== undefined },
];

/** What is done in the machine, with a pod of its own. */
export interface Case {
  pod: Pod;
  /** Lines for a shell, which has the functions of `virtual_machine/stage0.sh`. */
  commands: string;
}

/** What the machine holds beside its cases. */
export interface MachineOptions {
  /** A directory for its files, which must exist. */
  dir: string;
  security: Security;
}

/** The machine's security module, and what it enforces: apparmor.d(5), or the language of checkpolicy(8). */
export interface Security {
  module: "apparmor" | "selinux";
  policy: string;
}

interface Kernel {
  image: string;
  modules: string;
}

function findKernel(): Kernel | undefined {
  try {
    const [version] = [...Deno.readDirSync(`${MACHINE_DIRECTORY}/lib/modules`)].map(({ name }) =>
      name
    );
    if (version === undefined) return undefined;
    return {
      image: `${MACHINE_DIRECTORY}/boot/vmlinuz-${version}`,
      modules: `${MACHINE_DIRECTORY}/lib/modules/${version}/kernel`,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Boots a machine, has it work through the cases, and waits for its end.
 *
 * @returns What the commands of each case left behind, in order.
 * @throws {Error} with what the kernel said, when the machine did not get to the end.
 */
export async function bootMachine(cases: Case[], options: MachineOptions): Promise<Result[]> {
  const { dir, security } = options;
  const root = `${dir}/root`;
  await furnish(root);
  await compilePolicy(security, `${dir}/policy`, `${root}/policy`);
  for (const [number, it] of cases.entries()) await addCase(root, number, it);
  await addLibraries(root, cases);
  // Programs that pods share are links to one file, in the archive as well.
  const pack = 'cd "$1" && find . | "$2" cpio -o -H newc > "$3"';
  await must(["sh", "-c", pack, "pack", root, BUSYBOX!, `${dir}/initramfs`]);
  return await readResults(dir, cases.length, await emulate(dir, security));
}

/** Everything but what is given. */
async function furnish(root: string): Promise<void> {
  for (const name of ["bin", "programs", "cases", "pods/run"]) {
    await Deno.mkdir(`${root}/${name}`, { recursive: true });
  }
  await Deno.copyFile(`${SCRIPTS}/init.sh`, `${root}/init`);
  await Deno.chmod(`${root}/init`, 0o755);
  await Deno.copyFile(`${SCRIPTS}/stage0.sh`, `${root}/stage0.sh`);
  await Deno.copyFile(`${KERNEL!.modules}/drivers/block/brd.ko`, `${root}/brd.ko`);
  await Deno.copyFile(BUSYBOX!, `${root}/bin/busybox`);
  // Of these, busybox has none, or one that can do less.
  for (const name of PROGRAMS) await Deno.copyFile(which(name)!, `${root}/programs/${name}`);
}

/** The dynamic loader and the libraries, at the paths that they have here. */
async function addLibraries(root: string, [first]: Case[]): Promise<void> {
  const programs = PROGRAMS.map((name) => `${root}/programs/${name}`);
  const runtime = first ? [`${first.pod.stage1Rootfs}/denort`] : [];
  const found = (await must(["ldd", ...programs, ...runtime])).match(/\/\S+(?= \()/g) ?? [];
  await must(["cp", "--dereference", "--parents", ...new Set(found), root]);
}

/** Compiled for a kernel that the compiler takes for granted, whatever this machine's is. */
async function compilePolicy({ module, policy }: Security, source: string, target: string) {
  const compilers = {
    apparmor: ["sbin/apparmor_parser", "--skip-kernel-load", "--skip-cache", "--ofile", target],
    selinux: ["usr/bin/checkpolicy", "-M", "-U", "allow", "-c", "33", "-o", target],
  };
  const [compiler, ...options] = compilers[module];
  await Deno.writeTextFile(source, policy);
  await must([`${MACHINE_DIRECTORY}/${compiler}`, ...options, source]);
}

async function addCase(root: string, number: number, { pod, commands }: Case): Promise<void> {
  await must(["cp", "--archive", "--link", pod.dir, `${root}/pods/run/${pod.uuid}`]);
  const script = `export uuid=${pod.uuid} net=${pod.net}\n. /stage0.sh\n${commands}\n`;
  await Deno.writeTextFile(`${root}/cases/${String(number).padStart(3, "0")}`, script);
}

/** KVM would be faster, but what it can do is not the same everywhere, and seldom anything in a container. */
async function emulate(dir: string, { module }: Security): Promise<Result> {
  for (const name of ["console", "results"]) await Deno.writeTextFile(`${dir}/${name}`, "");
  return await execute([
    ...[QEMU!, "-accel", "tcg", "-cpu", "max", "-m", "1536"],
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...["-serial", `file:${dir}/console`, "-serial", `file:${dir}/results`],
    // A machine that panics restarts, and one that restarts ends.
    ...["-no-reboot", "-kernel", KERNEL!.image, "-initrd", `${dir}/initramfs`],
    ...["-append", `console=ttyS0 quiet panic=-1 mitigations=off security=${module}`],
  ]);
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
