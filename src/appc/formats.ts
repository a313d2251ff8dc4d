/**
 * Texts with a form of their own: versions, image IDs, dates, URLs, addresses. appc spec 0.8.11,
 * `spec/types.md`. Where the spec leaves a choice, its Go validator's choice is taken.
 *
 * @module
 */

import { textThat } from "./names.ts";

/** `MAJOR.MINOR.PATCH`, optionally with `-PRERELEASE` and `+METADATA`; not all zero. */
export const SemVer = textThat(
  (text) =>
    /^\d{1,18}\.\d{1,18}\.\d{1,18}(-[^+]*)?(\+[^]*)?$/.test(text) &&
    !/^0+\.0+\.0+-?\+?$/.test(text),
  "must be a version such as 0.8.11, and not zero",
);

/** An image ID. The validator checks the kind of hash, not its digits. */
export const Hash = textThat(
  (text) => /^sha512-[^-]+$/.test(text),
  'must be "sha512-" and a value without -',
);

/** An IPv4 or IPv6 address, without a zone. Empty stands for all addresses. */
export const HostIP = textThat(
  (text) => text === "" || isIPv4(text) || isIPv6(text),
  "must be an IPv4 or IPv6 address",
);

/**
 * Checks whether a text is a date and time of RFC 3339, as Go reads it: an hour may have one digit,
 * a fraction may begin with a comma, and a zone may be any number of hours from UTC.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(isDate("2024-02-29T12:00:00+01:00"), true);
 * assertEquals(isDate("2023-02-29T12:00:00Z"), false);
 * ```
 */
export function isDate(text: string): boolean {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d{1,2}):(\d\d):(\d\d)([.,]\d+)?(Z|[+-]\d\d:\d\d)$/.exec(
    text,
  );
  if (parts === null) return false;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7)
    .map(Number);
  return month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month) &&
    hour < 24 && minute < 60 && second < 60;
}

/**
 * Checks whether a text is an HTTP or HTTPS URL by RFC 3986, as Go reads it: unlike in a browser,
 * nothing is corrected, and a URL need not have a host.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(isURL("https://example.com/a?b#c"), true);
 * assertEquals(isURL("https://example.com:http/"), false);
 * ```
 */
export function isURL(text: string): boolean {
  const beforeFragment = text.split("#", 1)[0] as string;
  const fragment = text.slice(beforeFragment.length + 1);
  const scheme = /^https?:/i.exec(beforeFragment)?.[0];
  if (scheme === undefined || hasControl(text) || !isEscaped(fragment)) return false;
  const hierarchy = beforeFragment.slice(scheme.length).split("?", 1)[0] as string;
  if (!hierarchy.startsWith("/")) return true;
  if (!hierarchy.startsWith("//")) return isEscaped(hierarchy);
  const authority = hierarchy.slice(2).split("/", 1)[0] as string;
  return isAuthority(authority) && isEscaped(hierarchy.slice(2 + authority.length));
}

function isAuthority(text: string): boolean {
  const at = text.lastIndexOf("@");
  const user = text.slice(0, Math.max(at, 0));
  return /^[\w\-.~:!$&'()*+,;=%@]*$/.test(user) && isEscaped(user) && isHost(text.slice(at + 1));
}

/** A name or address, optionally with a port, which may be empty. */
function isHost(text: string): boolean {
  const nameEnd = text.startsWith("[") ? text.lastIndexOf("]") + 1 : text.lastIndexOf(":");
  if (text.startsWith("[") && nameEnd === 0) return false;
  const port = nameEnd < 0 ? "" : text.slice(nameEnd);
  return /^(:\d*)?$/.test(port) && hasHostCharacters(text);
}

/** In a host, only characters outside ASCII and the % of a zone may be escaped. */
function hasHostCharacters(text: string): boolean {
  return /^(?:[\w\-.~!$&'()*+,;=:[\]<>"]|[^\0-\x7f]|%25|%[89a-f][0-9a-f])*$/i.test(text);
}

/** Whether each % begins an escape. */
function isEscaped(text: string): boolean {
  return !/%(?![0-9a-f]{2})/i.test(text);
}

function hasControl(text: string): boolean {
  // deno-lint-ignore no-control-regex -- it is what is looked for
  return /[\0-\x1f\x7f]/.test(text);
}

function isIPv4(text: string): boolean {
  return /^((0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])(\.(?!$)|$)){4}$/.test(text);
}

/**
 * The URL parser knows all abbreviations of IPv6. The characters are checked first, so that the
 * parser sees nothing but an address.
 */
function isIPv6(text: string): boolean {
  return /^[0-9a-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]/`);
}

function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (month === 2) return isLeap ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}
