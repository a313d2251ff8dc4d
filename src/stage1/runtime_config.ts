/**
 * The record of this run's parameters, for later entrypoints and for people.
 *
 * @module
 */

import type { RunArguments } from "./arguments.ts";
import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/**
 * Writes `runtime-config`, in the form that rkt's own stage1 images give it.
 *
 * @throws {Error} when the file cannot be written.
 */
export function saveRuntimeConfig(args: RunArguments): void {
  Deno.writeTextFileSync(POD_PATHS.runtimeConfig, JSON.stringify(runtimeConfig(args)));
}

/** The isolators that stage0's user wanted passed over when the pod was started. */
export interface DisabledIsolators {
  disableCapabilities: boolean;
  disableSeccomp: boolean;
}

/**
 * Reads back which isolators {@linkcode saveRuntimeConfig} was told are disabled.
 *
 * @throws {Error} when there is no such record: the pod has not been started.
 */
export function loadDisabledIsolators(): DisabledIsolators {
  return withConfig(({ InsecureOptions }) => ({
    disableCapabilities: InsecureOptions?.DisableCapabilities === true,
    disableSeccomp: InsecureOptions?.DisableSeccomp === true,
  }));
}

/**
 * Reads back the users that {@linkcode saveRuntimeConfig} was told the pod has.
 *
 * @returns What `--private-users` was, empty if it was not given.
 * @throws {Error} when there is no such record: the pod has not been started.
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

/** The host, to who is in its network. */
const LOOPBACK_ADDRESS = "127.0.0.1";

/**
 * Where an app reaches rkt's metadata service.
 *
 * @param token The pod's token, empty when stage0 did not register the pod.
 * @param host The host's address, as the pod has it.
 */
export function metadataUrl(token: string, host = LOOPBACK_ADDRESS): string | undefined {
  return token === "" ? undefined : `http://${host}:${METADATA_PORT}/${token}`;
}
