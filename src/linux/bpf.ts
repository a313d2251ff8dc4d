/**
 * eBPF programs that the kernel runs on behalf of a cgroup: bpf(2).
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { assembleRules, type DeviceRule, encodeInstructions } from "./device_rule.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
/** The programs of the cgroups above and below apply as well. */
const BPF_F_ALLOW_MULTI = 2;

/** `struct bpf_insn` in bytes. */
const INSTRUCTION_SIZE = 8;

/**
 * Refuses the processes of a cgroup of version 2 all devices but those that the rules allow, for as
 * long as the cgroup exists.
 *
 * @param cgroup Its directory, open for reading.
 * @throws {SyscallError} `EPERM` without CAP_SYS_ADMIN, or where a cgroup above allows no further
 * programs.
 */
export function restrictDevices(cgroup: Fd, rules: readonly DeviceRule[]): void {
  using program = loadProgram(rules);
  const attributes = new Uint32Array([
    cgroup.number,
    program.number,
    BPF_CGROUP_DEVICE,
    BPF_F_ALLOW_MULTI,
  ]);
  syscall("bpf", BPF_PROG_ATTACH, asBytes(attributes), attributes.byteLength);
}

/** The licence is empty: the kernel asks for one only of programs that call its functions. */
function loadProgram(rules: readonly DeviceRule[]): Fd {
  const program = encodeInstructions(assembleRules(rules));
  const length = program.length / INSTRUCTION_SIZE;
  // The first word holds the type and the length; the zeros are for other kinds of programs.
  const attributes = [BPF_PROG_TYPE_CGROUP_DEVICE + length * 2 ** 32, program, "", 0, 0, 0];
  return new Fd(syscall("bpf", BPF_PROG_LOAD, attributes, attributes.length * 8));
}
