/**
 * The built-in networks, which every pod can join. They have the addresses that they have in rkt's
 * own images. A configuration of the user with the same name goes before them.
 *
 * @module
 */

import type { ConfigurationFile } from "./configuration.ts";

/** A link to the host, with a route to the world that hides the pod behind the host's address. */
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

/** The built-in networks as files, by whose names they are ordered among the user's. */
export const BUILT_IN: readonly ConfigurationFile[] = [
  { path: "99-default-restricted.conf", text: JSON.stringify(DEFAULT_RESTRICTED) },
  { path: "99-default.conf", text: JSON.stringify(DEFAULT) },
];
