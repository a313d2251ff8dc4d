/**
 * What a network knows of names, as /etc/resolv.conf: resolv.conf(5).
 *
 * @module
 */

import type { Dns } from "./result.ts";

/**
 * Writes a resolv.conf.
 *
 * @param network The network's name, which a comment at the beginning tells.
 * @returns `undefined` when the network knows nothing of names.
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
  // A line is a line: a plugin's answer adds no more of them.
  const text = [`# From the network ${network}`, ...lines].map((line) =>
    line.replace(/\p{Cc}/gu, " ")
  );
  return lines.length === 0 ? undefined : `${text.join("\n")}\n`;
}
