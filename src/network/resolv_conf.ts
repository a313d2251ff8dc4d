/**
 * The text of an /etc/resolv.conf for a network's name servers: resolv.conf(5).
 *
 * @module
 */

import type { Dns } from "./result.ts";

/**
 * Formats a resolv.conf.
 *
 * @param network The network's name, for a comment in the first line.
 * @returns The text; `undefined` when the network has no settings for names.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const dns = { nameservers: ["10.0.0.1"], domain: "", search: ["a.lan", "lan"], options: [] };
 * assertEquals(
 *   formatResolvConf(dns, "office"),
 *   "# From the network office\nsearch a.lan lan\nnameserver 10.0.0.1\n",
 * );
 * ```
 */
export function formatResolvConf(dns: Dns, network: string): string | undefined {
  const { nameservers, domain, search, options } = dns;
  const lines = [
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
    ...nameservers.map((server) => `nameserver ${server}`),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
    ...(domain !== "" ? [`domain ${domain}`] : []),
  ];
  // A newline in a plugin's answer must not begin another line of the file.
  const text = [`# From the network ${network}`, ...lines].map((line) =>
    line.replace(/\p{Cc}/gu, " ")
  );
  return lines.length === 0 ? undefined : `${text.join("\n")}\n`;
}
