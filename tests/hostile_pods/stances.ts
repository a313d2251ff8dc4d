/**
 * What a hostile app starts with: who it is, and which capabilities it has.
 *
 * @module
 */

import type { Flavor } from "../../src/stage1/flavor.ts";
import type { App } from "../stage0.ts";

/** A user and privileges that one would reasonably give to an app. */
export interface Stance {
  /** How a test's name says it. */
  what: string;
  /** The image that is attacked with it, unless a test says otherwise. */
  flavor: Flavor;
  /** Fields of the app. */
  app: Partial<App>;
  /** The pod's own users, if it has such. */
  privateUsers?: string;
}

/** The capabilities that the spec gives where a manifest says nothing. */
const DEFAULT_SET = [
  ...["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"],
  ...["NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"],
].map((name) => `CAP_${name}`);

/** Root with the default capabilities. */
export const BY_DEFAULT: Stance = { what: "by default", flavor: "isolated", app: {} };

/** A user without capabilities. */
export const AS_USER: Stance = {
  what: "as a user",
  flavor: "isolated",
  app: { user: "1000", group: "1000" },
};

/** Root of users of the pod's own. */
export const WITH_PRIVATE_USERS: Stance = {
  what: "with private users",
  flavor: "isolated",
  app: {},
  privateUsers: "200000:65536",
};

/** Root with one capability more than the default ones. */
export function withCapability(name: string): Stance {
  return {
    what: `with ${name}`,
    flavor: "isolated",
    app: { isolators: retaining(...DEFAULT_SET, name) },
  };
}

/** The isolator that leaves an app these capabilities. */
export function retaining(...set: string[]): NonNullable<App["isolators"]> {
  return [{ name: "os/linux/capabilities-retain-set", value: { set } }];
}

/** An app in the host's namespaces that is kept from most. */
export const RESTRICTED: Stance = {
  what: "with one capability and a filter",
  flavor: "host",
  app: {
    isolators: [
      ...retaining("CAP_CHOWN"),
      { name: "os/linux/seccomp-retain-set", value: { set: ["@rkt/default-whitelist"] } },
    ],
  },
};
