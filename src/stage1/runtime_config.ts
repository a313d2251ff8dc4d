/**
 * The record of this run's parameters, for later entrypoints and for people.
 *
 * @module
 */

import type { RunArguments } from "./arguments.ts";
import { POD_PATHS } from "./pod_directory.ts";

/**
 * Writes `runtime-config`, in the form that rkt's own stage1 images give it.
 *
 * @throws {Error} when the file cannot be written.
 */
export function saveRuntimeConfig(args: RunArguments): void {
  Deno.writeTextFileSync(POD_PATHS.runtimeConfig, JSON.stringify(runtimeConfig(args)));
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

/**
 * Where an app in the host's network reaches rkt's metadata service.
 *
 * @param token The pod's token, empty when stage0 did not register the pod.
 */
export function metadataUrl(token: string): string | undefined {
  return token === "" ? undefined : `http://127.0.0.1:${METADATA_PORT}/${token}`;
}
