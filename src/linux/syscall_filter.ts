/**
 * What a system call filter says, in numbers.
 *
 * @module
 */

/** Which system calls of one architecture a program may make. */
export interface SyscallFilter {
  /** Whether the listed calls are those that work, or those that are refused. */
  mode: Mode;
  /** Numbers of calls, in any order. No rule applies to a call that is listed here. */
  syscalls: readonly number[];
  /** Calls for which an argument decides, by number. */
  rules?: ReadonlyMap<number, ArgumentRule>;
  /** Calls whose first argument selects one of several operations, by number. */
  multiplexers?: ReadonlyMap<number, Multiplexer>;
  /**
   * The number of the error that a refused call returns. Without it, the call ends the process with
   * SIGSYS.
   */
  errno?: number;
  /**
   * Tells calls that nobody knows from those that are refused. Only for lists of calls that work.
   */
  unknown?: UnknownCalls;
}

/** Which system calls a program may make, those of its machine's 32-bit architecture among them. */
export interface ProcessFilter extends SyscallFilter {
  /** Without it, a 32-bit call ends the process. */
  compat?: SyscallFilter;
  /** Lets some calls of the machine's own architecture through although they would be refused. */
  pass?: Pass;
}

/** An error for calls that do not exist, as far as is known. */
export interface UnknownCalls {
  /** The numbers of all calls that are known. */
  known: readonly number[];
  /** The number of the error that all others return. */
  errno: number;
}

/** A filter of the operations of one call. */
export interface Multiplexer {
  /** The bits of the first argument that count; all without it. */
  mask?: number;
  /** The operations that are listed, as calls are. */
  operations: readonly number[];
  /** Operations that are refused with errors of their own: the errors' numbers. */
  refused?: ReadonlyMap<number, number>;
}

/** Whether the listed things work, or are refused. */
export type Mode = "allow" | "deny";

/** A rule for a call for which an argument decides. */
export interface ArgumentRule {
  /**
   * The number of the error that the call returns where it is refused, also if the filter ends
   * processes.
   */
  errno: number;
  /** When the call works. Without a test, it never works. */
  test?: ArgumentTest;
}

/**
 * A comparison of an argument's lower 32 bits. The kernel reads no more of an `int` or of flags: a
 * test of the upper bits would tell apart what is the same to the kernel.
 */
export interface ArgumentTest {
  /** The argument's index, from 0 on. */
  argument: number;
  /** The bits that count; all without it. */
  mask?: number;
  /** Whether the call works with these values, or is refused with them. */
  mode: Mode;
  /** Unsigned, in any order. */
  values: readonly number[];
}

/**
 * A way through a filter for a process that knows two secret words. It gives them as arguments that
 * the call ignores: {@linkcode PASS_ARGUMENTS}.
 */
export interface Pass {
  /** Numbers of the calls that it lets through. */
  syscalls: readonly number[];
  /** Calls that it lets through as far as a rule allows, by number. */
  rules?: ReadonlyMap<number, ArgumentRule>;
  /** 64 bits each, unsigned. */
  words: readonly [bigint, bigint];
}

/**
 * The indices of the arguments, from 0 on, that hold the words of a {@linkcode Pass}: the last two.
 */
export const PASS_ARGUMENTS = [4, 5] as const;
