/**
 * The schemas of isolators' values: appc spec 0.8.11, `spec/ace.md`, "Isolators".
 *
 * A pod has few isolators or none, so a function makes each schema, and only when there is a value
 * for it.
 *
 * @module
 */

import * as z from "zod/mini";
import { NamedTexts } from "./labels.ts";
import { NotEmpty, textThat, wholeNumber } from "./names.ts";
import { checkValue } from "./parse.ts";
import { parseQuantity } from "./quantity.ts";

/** One amount, or two. Each is a quantity that is not parsed yet. */
const resourceValue = () =>
  z.object({
    default: z._default(z.boolean(), false),
    request: z.optional(z.unknown()),
    limit: z.optional(z.unknown()),
  });

const capability = textThat(
  (name) => /^CAP_[A-Z0-9_]+$/.test(name),
  "must be a capability, such as CAP_CHOWN",
);

const errorName = textThat(
  (name) => /^(E[A-Z0-9]*)?$/.test(name),
  "must be an error's name, such as EPERM",
);

const selinuxPart = textThat(
  (text) => text !== "" && !text.includes(":"),
  "must be a part of a context, without :",
);

/** The value of a set of capabilities. */
export const capabilitySet = () => z.object({ set: notEmptyList(capability()) });

/** The value of a set of system calls, or of groups of them, which begin with `@`. */
export const seccompSet = () =>
  z.object({
    set: notEmptyList(NotEmpty()),
    errno: z._default(errorName(), ""),
  });

/** Whether an app goes without new privileges. */
export const noNewPrivileges = () => z.boolean();

/** What is added to an app's badness when memory is short: proc_pid_oom_score_adj(5). */
export const oomScoreAdj = wholeNumber(-1000, 1000);

/** An app's weight among others that compete for the processor, within the bounds of cgroup v1. */
export const cpuShares = wholeNumber(2, 262144);

/** Kernel parameters by their dotted names. */
export const sysctl = NamedTexts;

/** An SELinux context in its parts. */
export const selinuxContext = () =>
  z.object({
    user: selinuxPart(),
    role: selinuxPart(),
    type: selinuxPart(),
    level: NotEmpty(),
  });

/** A profile that the kernel has loaded. */
export const apparmorProfile = () => z.object({ profile: NotEmpty() });

/** An amount that is set aside, and one that is not exceeded. */
export interface Amounts {
  request?: number;
  limit?: number;
}

/**
 * Reads the value of `resource/memory` or `resource/cpu`.
 *
 * @param perUnit How many units of the result make one: 1, or 1000 to get thousandths.
 * @param field Where the value stands in the manifest, for errors.
 * @throws {Error} when the value is wrong; the message names the field.
 */
export function readAmounts(value: unknown, perUnit: 1 | 1000, field: string): Amounts {
  const resource = checkValue(value, resourceValue(), field);
  if (resource.default) throw new Error(`${field}.default: must be false`);
  return {
    ...readAmount("request", resource.request, perUnit, field),
    ...readAmount("limit", resource.limit, perUnit, field),
  };
}

/**
 * Reads the value of an isolator that limits all devices of a kind, and sets nothing aside.
 *
 * @param field Where the value stands in the manifest, for errors.
 * @throws {Error} when the value is wrong; the message names the field.
 */
export function readDeviceLimit(value: unknown, field: string): Amounts & { default: true } {
  const resource = checkValue(value, resourceValue(), field);
  if (!resource.default) throw new Error(`${field}.default: must be true`);
  if (resource.request !== undefined) throw new Error(`${field}.request: cannot be asked for`);
  return { default: true, ...readAmount("limit", resource.limit, 1, field) };
}

function readAmount(
  key: keyof Amounts,
  value: unknown,
  perUnit: 1 | 1000,
  field: string,
): Amounts {
  if (value === undefined) return {};
  const amount = readQuantity(value, perUnit, `${field}.${key}`);
  if (amount < 0) throw new Error(`${field}.${key}: must not be negative`);
  return { [key]: amount };
}

/** A quantity may be a JSON number as well as a text. */
function readQuantity(value: unknown, perUnit: 1 | 1000, field: string): number {
  if (typeof value !== "string" && typeof value !== "number") {
    throw new Error(`${field}: expected a quantity`);
  }
  try {
    return parseQuantity(String(value), perUnit);
  } catch (error) {
    throw new Error(`${field}: ${(error as Error).message}`);
  }
}

function notEmptyList<S extends z.ZodMiniType>(element: S) {
  return z.array(element).check(z.refine((list) => list.length > 0, "must not be empty"));
}
