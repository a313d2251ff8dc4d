/**
 * Network configurations: CNI's SPEC.md, "Network configuration", versions 0.1.0 to 1.0.0.
 *
 * Only fields that the plan depends on are read. The others are for the plugins, and passed on.
 *
 * @module
 */

import { type JsonObject, type JsonReader, readJson } from "./json_reader.ts";

/** A configuration that has not been parsed yet. */
export interface ConfigurationFile {
  /** Its path. Networks are joined in the order of the last parts of these. */
  path: string;
  text: string;
}

/** One plugin of a network. */
export interface PluginConfiguration {
  /** The program's name. */
  type: string;
  /** The settings that it wants to get at run time, such as `portMappings`. */
  capabilities: string[];
  fields: JsonObject;
}

/** A network. */
export interface NetworkConfiguration {
  name: string;
  /** The version of CNI. */
  cniVersion: string;
  /** Whether what the pod sends leaves the host with the host's address. */
  ipMasq: boolean;
  /** The plugins, in the order in which they add the pod. */
  plugins: PluginConfiguration[];
  /** Whether the file is a list of plugins, not the configuration of a single one. */
  isList: boolean;
  file: ConfigurationFile;
}

/** The version of configurations that name none. */
const OLDEST_VERSION = "0.1.0";

/**
 * Reads a configuration: that of a single plugin, or a list of plugins.
 *
 * @throws {Error} when it is no configuration; the message is one line and begins with the file's
 * path.
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

/** Reads a name that becomes a part of paths: of a plugin's program, or of its state. */
function fileName(reader: JsonReader, field: string): string {
  const name = reader.requireText(field);
  if (/^\.{0,2}$|[\p{Cc}/]/u.test(name)) {
    throw reader.error(field, `${JSON.stringify(name)} cannot be the name of a file`);
  }
  return name;
}
