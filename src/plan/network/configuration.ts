/**
 * Network configurations: CNI's SPEC.md, "Network configuration", versions 0.1.0 to 1.0.0.
 *
 * Only what decides something here is read. The rest is the plugins' own, and passed on as it is.
 *
 * @module
 */

import { type JsonObject, type JsonReader, readJson } from "./json_reader.ts";

/** A configuration before it is read. */
export interface ConfigurationFile {
  /** Its path; the last part of it decides about the order. */
  path: string;
  text: string;
}

/** One plugin of a network. */
export interface PluginConfiguration {
  /** The program's name. */
  type: string;
  /** What it wants to be told at run time, such as `portMappings`. */
  capabilities: string[];
  fields: JsonObject;
}

/** A network. */
export interface NetworkConfiguration {
  name: string;
  /** Of CNI. */
  cniVersion: string;
  /** Whether the host lends its address to what the pod sends. */
  ipMasq: boolean;
  /** In the order in which they add the pod. */
  plugins: PluginConfiguration[];
  /** Whether the file is a list of plugins, and not one plugin's configuration. */
  isList: boolean;
  file: ConfigurationFile;
}

/** The version of those that do not say one. */
export const OLDEST_VERSION = "0.1.0";

/**
 * Reads a configuration: that of one plugin, or a list.
 *
 * @throws {Error} in one line that begins with the file's path.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const text = '{"name": "lan", "type": "macvlan", "master": "eth0"}';
 * const { name, plugins, cniVersion } = readConfiguration({ path: "10-lan.conf", text });
 * assertEquals([name, plugins[0]?.type, cniVersion], ["lan", "macvlan", "0.1.0"]);
 * ```
 */
export function readConfiguration(file: ConfigurationFile): NetworkConfiguration {
  const reader = readJson(file.text, file.path);
  const list = reader.objects("plugins");
  if (list?.length === 0) throw reader.error("plugins", "must not be empty");
  const parts = list ?? [reader];
  return {
    name: fileName(reader, "name"),
    cniVersion: reader.text("cniVersion") || OLDEST_VERSION,
    ipMasq: parts.some((part) => part.flag("ipMasq")),
    plugins: parts.map(readPlugin),
    isList: list !== undefined,
    file,
  };
}

function readPlugin(reader: JsonReader): PluginConfiguration {
  const capabilities = reader.object("capabilities");
  return {
    type: fileName(reader, "type"),
    capabilities: Object.keys(capabilities?.fields ?? {}).filter((name) =>
      capabilities?.flag(name)
    ),
    fields: reader.fields,
  };
}

/** Names become parts of paths: that of the program, and those under which plugins keep their state. */
function fileName(reader: JsonReader, field: string): string {
  const name = reader.requireText(field);
  if (/^\.{0,2}$|[\p{Cc}/]/u.test(name)) {
    throw reader.error(field, `${JSON.stringify(name)} cannot be the name of a file`);
  }
  return name;
}
