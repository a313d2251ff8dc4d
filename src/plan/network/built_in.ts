/**
 * The networks that every pod can join, with the addresses that rkt's own images give them. A
 * configuration of the user's with the same name goes first.
 *
 * @module
 */

import type { ConfigurationFile } from "./configuration.ts";

/** A link to the host, a route to the world behind it, and the host's address on the way. */
const DEFAULT = {
  cniVersion: "0.1.0",
  name: "default",
  type: "ptp",
  ipMasq: true,
  ipam: { type: "host-local", subnet: "172.16.28.0/24", routes: [{ dst: "0.0.0.0/0" }] },
};

/** A link to the host, and nothing else. */
const DEFAULT_RESTRICTED = {
  cniVersion: "0.1.0",
  name: "default-restricted",
  type: "ptp",
  ipMasq: false,
  ipam: { type: "host-local", subnet: "172.31.0.0/16" },
};

/** The built-in networks, as files: their names say when in the order they come. */
export const BUILT_IN: readonly ConfigurationFile[] = [
  { path: "99-default-restricted.conf", text: JSON.stringify(DEFAULT_RESTRICTED) },
  { path: "99-default.conf", text: JSON.stringify(DEFAULT) },
];
