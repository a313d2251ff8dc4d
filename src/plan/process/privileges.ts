/**
 * The privileges of an app: its capabilities, its system calls, and whether it can gain more. appc
 * spec 0.8.11, `spec/ace.md`, "Linux Isolators".
 *
 * @module
 */

import type { Isolators, SeccompIsolator, SetIsolator } from "../../appc/isolators.ts";
import { CAPABILITIES, type Capability, findCapability } from "../../linux/capabilities.ts";
import { errnoNumber } from "../../linux/errno_table.ts";
import type { NamedFilter, NamedRules } from "../../linux/named_filter.ts";
import { isSyscall } from "../../linux/syscall_table.ts";
import {
  DEFAULT_FILTER,
  EVERY_SYSCALL,
  expandWildcard,
  LIFE_CYCLE,
  NO_SYSCALL,
  rulesOf,
} from "./seccomp_sets.ts";

/** What decides about an app's privileges besides its manifests. */
export interface PrivilegeOptions {
  /** `--disable-capabilities-restriction`. */
  disableCapabilities: boolean;
  /** `--disable-seccomp`. */
  disableSeccomp: boolean;
  /**
   * Whether an app without such isolators is restricted. In the host's namespaces, an app may be
   * there to manage the host, so it is not.
   */
  restrictByDefault: boolean;
}

/** What is taken from an app; nothing where a field is undefined. */
export interface PrivilegePlan {
  /** The capabilities that its bounding set keeps. */
  capabilities: { keep: Capability[] } | undefined;
  /** What the manifests ask for. A filter may need it too: `needsNoNewPrivileges`. */
  noNewPrivileges: boolean;
  seccomp: NamedFilter | undefined;
  /** What in the isolators has no effect, and why: one line each. */
  ignored: string[];
}

/** The spec's default set. */
export const DEFAULT_CAPABILITIES: readonly Capability[] = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_MKNOD",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_RAW",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

/**
 * Decides what is taken from an app.
 *
 * A retain-set is exactly what the bounding set keeps, as far as this machine has it. A remove-set
 * is taken from the spec's default set, also where an app without a set is not restricted: the spec
 * knows no other default, and otherwise all capabilities that the set forgot would be left.
 *
 * @throws {Error} when a field is wrong; the message names it.
 */
export function planPrivileges(
  isolators: Pick<Isolators, "capabilities" | "noNewPrivileges" | "seccomp">,
  options: PrivilegeOptions,
): PrivilegePlan {
  const keep = options.disableCapabilities
    ? undefined
    : planCapabilities(isolators.capabilities, options.restrictByDefault);
  const ignored: string[] = [];
  return {
    capabilities: keep && { keep },
    noNewPrivileges: isolators.noNewPrivileges?.value ?? false,
    seccomp: options.disableSeccomp
      ? undefined
      : planFilter(isolators.seccomp, options.restrictByDefault, ignored),
    ignored,
  };
}

function planCapabilities(
  isolator: SetIsolator | undefined,
  restrictByDefault: boolean,
): Capability[] | undefined {
  if (isolator === undefined) return restrictByDefault ? [...DEFAULT_CAPABILITIES] : undefined;
  const named = new Set(isolator.set.map((name, i) => requireCapability(name, isolator, i)));
  return isolator.mode === "retain"
    ? CAPABILITIES.filter((capability) => named.has(capability))
    : DEFAULT_CAPABILITIES.filter((capability) => !named.has(capability));
}

function requireCapability(name: string, isolator: SetIsolator, i: number): Capability {
  const capability = findCapability(name);
  if (capability === undefined) {
    throw new Error(`${entry(isolator, i)}: ${JSON.stringify(name)} is no capability of Linux`);
  }
  return capability;
}

function planFilter(
  isolator: SeccompIsolator | undefined,
  restrictByDefault: boolean,
  ignored: string[],
): NamedFilter | undefined {
  if (isolator === undefined) return restrictByDefault ? defaultFilter() : undefined;
  refuseContradictions(isolator);
  const errno = requireErrno(isolator);
  if (isolator.set.includes(EVERY_SYSCALL)) return undefined;
  if (isolator.set.includes(NO_SYSCALL)) {
    return errno.errno === undefined ? defaultFilter() : allowOnly([DEFAULT_FILTER], errno);
  }
  const known = isolator.set.filter((name, i) => isKnown(name, isolator, i, ignored));
  return isolator.mode === "retain"
    ? allowOnly(known, errno)
    : { mode: "deny", syscalls: unique(known.flatMap(expand)), ...errno };
}

/**
 * Refuses what the spec gives no meaning to: it would either filter nothing or let nothing start.
 */
function refuseContradictions(isolator: SeccompIsolator): void {
  const senseless = isolator.mode === "retain" ? NO_SYSCALL : EVERY_SYSCALL;
  const i = isolator.set.indexOf(senseless);
  if (i !== -1) {
    throw new Error(`${entry(isolator, i)}: ${senseless} has no meaning in a ${isolator.mode}-set`);
  }
}

function requireErrno({ errno, field }: SeccompIsolator): { errno?: string } {
  if (errno === undefined) return {};
  if (errnoNumber(errno) === undefined) {
    throw new Error(`${field}.value.errno: ${JSON.stringify(errno)} is no error of Linux`);
  }
  return { errno };
}

/**
 * An unknown name is noted where the filter is stricter without it, and is an error where the
 * filter would let through what was to be refused. A name of another architecture is neither: no
 * such call exists here.
 */
function isKnown(name: string, isolator: SeccompIsolator, i: number, ignored: string[]): boolean {
  if (name.startsWith("@")) {
    requireWildcard(name, isolator, i);
    return true;
  }
  if (isSyscall(name)) return true;
  const unknown = `${JSON.stringify(name)} is no system call that this image knows`;
  if (isolator.mode === "remove") throw new Error(`${entry(isolator, i)}: ${unknown}`);
  ignored.push(`${entry(isolator, i)}: ignored: ${unknown}`);
  return false;
}

function requireWildcard(name: string, isolator: SeccompIsolator, i: number): void {
  if (expandWildcard(name) === undefined) {
    throw new Error(`${entry(isolator, i)}: ${JSON.stringify(name)} is no set of system calls`);
  }
}

/**
 * The filter of an app whose manifest names no calls. It ends no process: programs try calls that
 * they can do without, and go on after an error. After ENOSYS, they try what came before the call.
 */
function defaultFilter(): NamedFilter {
  return { ...allowOnly([DEFAULT_FILTER], { errno: "EPERM" }), errnoOfUnknown: "ENOSYS" };
}

/**
 * A call that another entry of the list stands for is allowed, even if a wildcard's rule tests its
 * arguments.
 */
function allowOnly(entries: readonly string[], errno: { errno?: string } = {}): NamedFilter {
  const all = [LIFE_CYCLE, ...entries];
  const rules: NamedRules = Object.assign({}, ...all.map(rulesOf));
  const syscalls = all.flatMap((name) => {
    const judged = rulesOf(name);
    return expand(name).filter((syscall) => !Object.hasOwn(judged, syscall));
  });
  return { mode: "allow", syscalls: unique(syscalls), rules, ...errno };
}

/** The calls that an entry of a list stands for; a call stands for itself. */
function expand(name: string): string[] {
  return expandWildcard(name) ?? [name];
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

function entry({ field }: SetIsolator, i: number): string {
  return `${field}.value.set[${i}]`;
}
