/**
 * The record of this run's parameters, for later entrypoints and for users.
 *
 * @module
 */

import type { RunArguments } from "./arguments.ts";
import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** Formats the file in which `run` leaves its parameters. */
export function formatRuntimeConfig(args: RunArguments): string {
  return JSON.stringify(runtimeConfig(args));
}

/** The isolators that the pod was started without, at its user's wish. */
export interface DisabledIsolators {
  disableCapabilities: boolean;
  disableSeccomp: boolean;
}

/**
 * Reads back the disabled isolators that `run` saved.
 *
 * @throws {Error} when the file is missing, as before the pod has been started.
 */
export function loadDisabledIsolators(): DisabledIsolators {
  return withConfig(({ InsecureOptions }) => ({
    disableCapabilities: InsecureOptions?.DisableCapabilities === true,
    disableSeccomp: InsecureOptions?.DisableSeccomp === true,
  }));
}

/**
 * Reads back the pod's users that `run` saved.
 *
 * @returns The value of `--private-users`; empty when it was not given.
 * @throws {Error} when the file is missing, as before the pod has been started.
 */
export function loadPrivateUsers(): string {
  return withConfig(({ PrivateUsers }) => PrivateUsers ?? "");
}

type RuntimeConfig = ReturnType<typeof runtimeConfig>;

function withConfig<T>(pick: (config: Partial<RuntimeConfig>) => T): T {
  const path = POD_PATHS.runtimeConfig;
  return withContext(
    `${path}: cannot be read`,
    () => pick(JSON.parse(Deno.readTextFileSync(path))),
  );
}

function runtimeConfig(args: RunArguments) {
  return {
    MetadataServiceURL: metadataUrl(args.mdsToken) ?? "",
    PrivateUsers: args.privateUsers,
    MDSToken: args.mdsToken,
    Hostname: args.hostname,
    Debug: args.debug,
    Mutable: args.mutable,
    ResolvConfMode: args.dns.resolv,
    EtcHostsMode: args.dns.hosts,
    Interactive: args.interactive,
    InsecureOptions: {
      DisablePaths: args.disablePaths,
      DisableCapabilities: args.disableCapabilities,
      DisableSeccomp: args.disableSeccomp,
    },
    IPCMode: args.ipc,
  };
}

/** The port that rkt's metadata service listens on. */
const METADATA_PORT = 18112;

/** The host's address, for a pod in the host's network. */
const LOOPBACK_ADDRESS = "127.0.0.1";

/**
 * Returns the URL by which an app reaches rkt's metadata service.
 *
 * @param token The pod's token; empty when stage0 did not register the pod.
 * @param host The host's address that the pod reaches.
 * @returns The URL; `undefined` without a token.
 */
export function metadataUrl(token: string, host = LOOPBACK_ADDRESS): string | undefined {
  return token === "" ? undefined : `http://${host}:${METADATA_PORT}/${token}`;
}
