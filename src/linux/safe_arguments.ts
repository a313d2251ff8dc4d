/**
 * Tests of arguments that tell the harmless uses of a system call from the others.
 *
 * @module
 */

import { NAMESPACE_FLAGS } from "./clone_flags.ts";
import type { ArgumentTest } from "./syscall_filter.ts";

/** `TIOCSTI` and `TIOCLINUX`: ioctl_tty(2), ioctl_console(2). */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

/** `linux/socket.h`. */
const AF_ISDN = 34;
const AF_ALG = 38;
const AF_VSOCK = 40;
const AF_QIPCRTR = 42;
/** The last family that exists as this is written. */
const AF_MCTP = 45;

/**
 * Families that reach the host from any network namespace: `AF_VSOCK` reaches its virtual machines,
 * or the machine that it is a guest of; `AF_QIPCRTR` its modem's services; `AF_ISDN` its telephone
 * cards. `AF_ALG` is the kernel's cryptography: no network, but kernel code that few programs need
 * and that has had many faults.
 */
const UNCONFINED_FAMILIES = [AF_ISDN, AF_ALG, AF_VSOCK, AF_QIPCRTR];

/** `linux/personality.h`. */
const PER_LINUX = 0;
const PER_LINUX32 = 0x8;
const UNAME26 = 0x20000;
/** Asks for the current personality. */
const GET_PERSONALITY = 0xffff_ffff;

/**
 * clone(2) that makes a process or a thread, and no namespace. (clone(2) has no `CLONE_NEWTIME`:
 * that bit is part of the signal there.)
 */
export const WITHOUT_NEW_NAMESPACES: ArgumentTest = {
  argument: 0,
  mask: Object.values(NAMESPACE_FLAGS).reduce((flags, flag) => flags | flag),
  mode: "allow",
  values: [0],
};

/**
 * socket(2) and socketpair(2) of families that a network namespace confines. Families of later
 * kernels are refused until somebody has looked at them.
 */
export const CONFINED_FAMILIES: ArgumentTest = {
  argument: 0,
  mode: "allow",
  values: Array.from({ length: AF_MCTP + 1 }, (_, family) => family)
    .filter((family) => !UNCONFINED_FAMILIES.includes(family)),
};

/**
 * personality(2) that changes only what uname(2) returns, and no protection of memory: no
 * `READ_IMPLIES_EXEC`, no `MMAP_PAGE_ZERO`, no predictable addresses.
 */
export const HARMLESS_PERSONALITIES: ArgumentTest = {
  argument: 0,
  mode: "allow",
  values: [PER_LINUX, PER_LINUX32, UNAME26, UNAME26 | PER_LINUX32, GET_PERSONALITY],
};

/**
 * ioctl(2) that does not put characters into a terminal's input, which a shell there would take for
 * typed ones.
 */
export const WITHOUT_TYPING: ArgumentTest = {
  argument: 1,
  mode: "deny",
  values: [TIOCSTI, TIOCLINUX],
};
