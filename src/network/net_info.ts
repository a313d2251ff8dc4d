/**
 * `net-info.json`: what `rkt list` and `rkt status` tell of a pod's networks. The fields are those of
 * rkt's package `networking/netinfo`.
 *
 * @module
 */

import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { replaceFileAt } from "../linux/read_write.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { netmask, type NetworkResult } from "./result.ts";

/** A network that a pod has joined. */
export interface JoinedNetwork {
  name: string;
  /** Where its configuration is from. */
  source: string;
  /** The plugin that made the interface. */
  pluginPath: string;
  ifName: string;
  args: string;
  result: NetworkResult;
}

/**
 * Writes the file into the working directory, which is the pod's.
 *
 * @throws {SyscallError}
 */
export function saveNetInfo(networks: readonly JoinedNetwork[]): void {
  using directory = openFile(".", O_PATH | O_DIRECTORY);
  replaceFileAt(directory, POD_PATHS.netInfo, formatNetInfo(networks));
}

/** The file's text. Addresses are of IPv4, which is all that rkt tells; empty where there is none. */
export function formatNetInfo(networks: readonly JoinedNetwork[]): string {
  const entries = networks.map(({ name, source, pluginPath, ifName, args, result }) => {
    const address = result.addresses.find(({ version }) => version === 4);
    return {
      netName: name,
      netConf: source,
      pluginPath,
      ifName,
      ip: address?.ip ?? "",
      args,
      mask: address === undefined ? "" : netmask(address.prefixLength),
    };
  });
  return `${JSON.stringify(entries)}\n`;
}
