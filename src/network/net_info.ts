/**
 * The file `net-info.json`, from which `rkt list` and `rkt status` print a pod's networks. Its
 * fields are those of rkt's package `networking/netinfo`.
 *
 * @module
 */

import { POD_PATHS } from "../stage1/pod_directory.ts";
import { savePodFile } from "../stage1/pod_file.ts";
import { netmask, type NetworkResult } from "./result.ts";

/** A network that a pod has joined. */
export interface JoinedNetwork {
  name: string;
  /** The file of its configuration. */
  source: string;
  /** The plugin that made the interface. */
  pluginPath: string;
  ifName: string;
  args: string;
  result: NetworkResult;
}

/**
 * Writes `net-info.json` into the working directory, which is the pod directory.
 *
 * @throws {Error} when the file cannot be written.
 */
export function saveNetInfo(networks: readonly JoinedNetwork[]): void {
  savePodFile(POD_PATHS.netInfo, formatNetInfo(networks));
}

/**
 * Formats the text of `net-info.json`. It has the first IPv4 address of each network, since rkt
 * prints no other; an empty string where there is none.
 */
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
