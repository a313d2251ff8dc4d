/**
 * The users and capabilities with which hostile apps start.
 *
 * @module
 */

import type { Flavor } from "../../src/stage1/flavor.ts";
import type { App } from "../stage0.ts";

/** A user and privileges that an operator could reasonably give to an app. */
export interface Stance {
  /** The words for it in a test's name. */
  what: string;
  /** The flavor of the image that it attacks, unless a test says otherwise. */
  flavor: Flavor;
  /** Fields of the app. */
  app: Partial<App>;
  /** The pod's own users, if it has any. */
  privateUsers?: string;
}

/** The capabilities that the specification grants where a manifest names none. */
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

const PRIVATE_USERS = "200000:65536";

/** Root in a pod with users of its own. */
export const WITH_PRIVATE_USERS: Stance = {
  what: "with private users",
  flavor: "isolated",
  app: {},
  privateUsers: PRIVATE_USERS,
};

/** Returns the stance of root with one capability beside the default ones. */
export function withCapability(name: string): Stance {
  return {
    what: `with ${name}`,
    flavor: "isolated",
    app: { isolators: retaining(...DEFAULT_SET, name) },
  };
}

/** Returns a stance in a pod with users of its own. */
export function withPrivateUsers(stance: Stance): Stance {
  return { ...stance, what: `${stance.what} and private users`, privateUsers: PRIVATE_USERS };
}

/** Returns the isolator that leaves an app these capabilities alone. */
export function retaining(...set: string[]): NonNullable<App["isolators"]> {
  return [{ name: "os/linux/capabilities-retain-set", value: { set } }];
}

/** An app in the host's namespaces with few privileges. */
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
