/**
 * The record of this run's parameters, for later entrypoints and for users.
 *
 * @module
 */

import * as z from "zod/mini";
import { checkValue } from "../appc/parse.ts";
import { type Checked, schema } from "../appc/schema.ts";
import { parseUUID } from "../appc/uuid.ts";
import { HOSTS_MODES, IPC_MODES, RESOLV_MODES, type RunArguments } from "./arguments.ts";
import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** What the plugins of a pod's networks found out. */
export interface NetworkFindings {
  /** The host's address as the pod sees it, where that is not 127.0.0.1. */
  hostIP: string | undefined;
  /** Whether the apps get a resolv.conf from a network. */
  hasResolvConf: boolean;
}

/** What a pod was started with, as far as an app that is added later needs it. */
export interface RecordedRun {
  args: RunArguments;
  network: NetworkFindings;
}

/** Formats the file in which `run` leaves its parameters, and what its network is like. */
export function formatRuntimeConfig({ args, network }: RecordedRun): string {
  return JSON.stringify(runtimeConfig(args, network));
}

/**
 * Reads back what `run` was started with.
 *
 * @throws {Error} when the file is missing, as before the pod has been started, or is not as `run`
 *   writes it; it names the field.
 */
export function loadRun(): RecordedRun {
  return parseRuntimeConfig(readConfig());
}

/**
 * Checks the content of the file.
 *
 * @throws {Error} when it is not as `run` writes it; it names the field.
 */
export function parseRuntimeConfig(content: unknown): RecordedRun {
  const config = checkValue(content, RuntimeConfig(), POD_PATHS.runtimeConfig);
  return {
    args: {
      uuid: withContext(`${POD_PATHS.runtimeConfig}.UUID`, () => parseUUID(config.UUID)),
      debug: config.Debug,
      net: config.Net,
      interactive: config.Interactive,
      mdsToken: config.MDSToken,
      localConfig: config.LocalConfig,
      privateUsers: config.PrivateUsers,
      hostname: config.Hostname,
      disableCapabilities: config.InsecureOptions.DisableCapabilities,
      disablePaths: config.InsecureOptions.DisablePaths,
      disableSeccomp: config.InsecureOptions.DisableSeccomp,
      dns: { resolv: config.ResolvConfMode, hosts: config.EtcHostsMode },
      mutable: config.Mutable,
      ipc: config.IPCMode,
    },
    network: { hostIP: config.HostIP, hasResolvConf: config.HasResolvConf },
  };
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

/** The file, as `run` writes it. */
const RuntimeConfig = schema(() =>
  z.object({
    UUID: z.string(),
    PrivateUsers: z.string(),
    MDSToken: z.string(),
    Hostname: z.string(),
    Debug: z.boolean(),
    Mutable: z.boolean(),
    ResolvConfMode: z.enum(RESOLV_MODES),
    EtcHostsMode: z.enum(HOSTS_MODES),
    Interactive: z.boolean(),
    InsecureOptions: z.object({
      DisablePaths: z.boolean(),
      DisableCapabilities: z.boolean(),
      DisableSeccomp: z.boolean(),
    }),
    IPCMode: z.enum(IPC_MODES),
    Net: z.string(),
    LocalConfig: z.string(),
    HostIP: z.optional(z.string()),
    HasResolvConf: z.boolean(),
  })
);

type RuntimeConfig = Checked<typeof RuntimeConfig>;

function withConfig<T>(pick: (config: Partial<RuntimeConfig>) => T): T {
  return pick(readConfig() as Partial<RuntimeConfig>);
}

function readConfig(): unknown {
  const path = POD_PATHS.runtimeConfig;
  return withContext(`${path}: cannot be read`, () => JSON.parse(Deno.readTextFileSync(path)));
}

function runtimeConfig(
  args: RunArguments,
  network: NetworkFindings,
): RuntimeConfig & { MetadataServiceURL: string } {
  return {
    UUID: args.uuid,
    MetadataServiceURL: metadataUrl(args.mdsToken, network.hostIP) ?? "",
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
    Net: args.net,
    LocalConfig: args.localConfig,
    HostIP: network.hostIP,
    HasResolvConf: network.hasResolvConf,
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
