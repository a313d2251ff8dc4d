/**
 * What tests of pods' networks need on the machine.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { which } from "./host.ts";
import type { Need } from "./scenario.ts";

/** The directory of the plugins in Debian's package containernetworking-plugins. */
const PLUGINS = "/usr/lib/cni";
const PROGRAMS = ["ip", "tc", "iptables", "iptables-save", "unshare"];

/** Plugins, and the programs that they and the tests call. */
export const NETWORK_NEEDS: Need[] = [
  { what: `the CNI plugins in ${PLUGINS}`, met: existsSync(`${PLUGINS}/ptp`) },
  ...PROGRAMS.map((program) => ({ what: program, met: which(program) !== undefined })),
];
