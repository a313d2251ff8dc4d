/**
 * What tests of pods' networks need of the machine.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { which } from "./host.ts";
import type { Need } from "./scenario.ts";

/** Where the plugins are that come with Debian's package containernetworking-plugins. */
const PLUGINS = "/usr/lib/cni";
const PROGRAMS = ["ip", "iptables", "iptables-save", "unshare"];

/** Plugins, and what they and the tests call. */
export const NETWORK_NEEDS: Need[] = [
  { what: `the CNI plugins in ${PLUGINS}`, met: existsSync(`${PLUGINS}/ptp`) },
  ...PROGRAMS.map((program) => ({ what: program, met: which(program) !== undefined })),
];
