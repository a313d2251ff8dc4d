/**
 * The list of networks that `--net` asks for, as rkt writes it.
 *
 * @module
 */

import { quoteText } from "../../linux/text.ts";

/** A network that `--net` asks for. */
export interface RequestedNetwork {
  name: string;
  /** `NAME=VALUE;…` for its plugins; empty for none. */
  args: string;
}

/** The names in the list that are not names of networks. */
const SPECIAL = ["host", "none", "all"];

/**
 * Parses `--net`: names separated by commas, each optionally followed by a colon and arguments.
 *
 * @throws {Error} when a name is missing or there twice, or when its arguments are malformed or
 * follow a name that is not a network's.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(parseNetList("default,lan:IP=10.0.0.7;MTU=1400"), [
 *   { name: "default", args: "" },
 *   { name: "lan", args: "IP=10.0.0.7;MTU=1400" },
 * ]);
 * ```
 */
export function parseNetList(text: string): RequestedNetwork[] {
  const networks: RequestedNetwork[] = [];
  for (const part of text.split(",")) {
    const network = parseNetwork(part, text);
    if (networks.some(({ name }) => name === network.name)) {
      throw new Error(`--net=${text}: ${quoteText(network.name)} is there twice`);
    }
    networks.push(network);
  }
  return networks;
}

function parseNetwork(text: string, all: string): RequestedNetwork {
  const [name = "", args = "", ...rest] = text.split(":");
  if (name === "") throw new Error(`--net=${all}: a network without a name`);
  if (rest.length > 0) throw new Error(`--net=${text}: arguments cannot have a colon`);
  if (args !== "" && SPECIAL.includes(name)) {
    throw new Error(`--net=${text}: ${name} is no network that could have arguments`);
  }
  for (const pair of args.split(";").filter((pair) => pair !== "")) {
    if (!/^[^=]+=/.test(pair)) {
      throw new Error(`--net=${text}: ${quoteText(pair)} is not NAME=VALUE`);
    }
  }
  return { name, args };
}
