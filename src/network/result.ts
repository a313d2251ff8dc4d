/**
 * The result that a plugin prints when it has added a pod to a network: CNI's SPEC.md, "Result".
 * There are two forms, that of versions 0.1.0 and 0.2.0, and that from 0.3.0 on.
 *
 * @module
 */

import { type JsonReader, readJson } from "../plan/network/json_reader.ts";

/** An address of the pod. */
export interface Address {
  ip: string;
  /** How many of its leading bits name the network. */
  prefixLength: number;
  version: 4 | 6;
  /** The gateway, if there is one: the host's own address, where the network ends at the host. */
  gateway: string | undefined;
}

/** A route of the pod. */
export interface Route {
  /** The destination: an address and the length of its prefix, such as `10.1.0.0/16`. */
  dst: string;
  gw: string | undefined;
}

/** The name servers of a network, and how names are looked up in it. */
export interface Dns {
  nameservers: string[];
  domain: string;
  search: string[];
  options: string[];
}

/** The result of joining a network. */
export interface NetworkResult {
  addresses: Address[];
  routes: Route[];
  dns: Dns;
}

const NO_DNS: Dns = { nameservers: [], domain: "", search: [], options: [] };

/**
 * Reads a result of either form.
 *
 * @param origin The plugin's name, with which errors begin.
 * @throws {Error} when the text is not a result; the message is one line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const old = '{"ip4": {"ip": "10.1.0.5/16", "gateway": "10.1.0.1"}}';
 * const now = '{"ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}]}';
 * const address = { ip: "10.1.0.5", prefixLength: 16, version: 4, gateway: "10.1.0.1" } as const;
 * assertEquals(readResult(old, "ptp").addresses, [address]);
 * assertEquals(readResult(now, "ptp").addresses, [address]);
 * ```
 */
export function readResult(text: string, origin: string): NetworkResult {
  const reader = readJson(text, origin);
  const families = [reader.object("ip4"), reader.object("ip6")].filter((it) => it !== undefined);
  const isOld = families.length > 0;
  return {
    addresses: isOld ? families.map((family) => readAddress(family, "ip")) : readAddresses(reader),
    routes: (isOld ? families : [reader]).flatMap((part) => part.objects("routes") ?? [])
      .map(readRoute),
    dns: readDns(reader.object("dns")),
  };
}

/** An interface of a result: the pod's, with the path of its namespace, or the host's. */
export interface ResultInterface {
  name: string;
  sandbox?: string;
}

/** Formats a result as version 0.3.1 has it, for the plugins that come later in the chain. */
export function formatResult(
  { addresses, routes, dns }: NetworkResult,
  interfaces?: readonly ResultInterface[],
): unknown {
  return {
    cniVersion: "0.3.1",
    ...(interfaces === undefined ? {} : { interfaces }),
    ips: addresses.map(({ ip, prefixLength, version, gateway }) => ({
      version: String(version),
      address: `${ip}/${prefixLength}`,
      ...(gateway === undefined ? {} : { gateway }),
    })),
    routes,
    dns,
  };
}

/**
 * Returns the mask of an IPv4 network, in dotted decimal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([0, 12, 24].map(netmask), ["0.0.0.0", "255.240.0.0", "255.255.255.0"]);
 * assertEquals(netmask(32), "255.255.255.255");
 * ```
 */
export function netmask(prefixLength: number): string {
  const bits = [0, 8, 16, 24].map((before) => Math.min(Math.max(prefixLength - before, 0), 8));
  return bits.map((count) => 256 - 2 ** (8 - count)).join(".");
}

/** Reads the pod's addresses. Results have those of interfaces on the host's side as well. */
function readAddresses(reader: JsonReader): Address[] {
  const interfaces = reader.objects("interfaces") ?? [];
  const isOfPod = (ip: JsonReader) => {
    const number = ip.index("interface");
    const owner = number === undefined ? undefined : interfaces[number];
    return owner === undefined || (owner.text("sandbox") ?? "") !== "";
  };
  return (reader.objects("ips") ?? []).filter(isOfPod).map((ip) => readAddress(ip, "address"));
}

function readAddress(reader: JsonReader, field: string): Address {
  const text = reader.requireText(field);
  const [, ip = "", prefix = ""] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(text) ?? [];
  const version = ip.includes(":") ? 6 : 4;
  const prefixLength = Number(prefix);
  if (!isAddress(ip) || prefixLength > (version === 4 ? 32 : 128)) {
    throw reader.error(field, `${JSON.stringify(text)} is not an address with its prefix's length`);
  }
  return { ip, prefixLength, version, gateway: readGateway(reader, "gateway") };
}

function readRoute(reader: JsonReader): Route {
  return { dst: reader.requireText("dst"), gw: readGateway(reader, "gw") };
}

function readGateway(reader: JsonReader, field: string): string | undefined {
  const text = reader.text(field) || undefined;
  if (text === undefined || isAddress(text)) return text;
  throw reader.error(field, `${JSON.stringify(text)} is not an address`);
}

function readDns(reader: JsonReader | undefined): Dns {
  if (reader === undefined) return NO_DNS;
  return {
    nameservers: reader.texts("nameservers"),
    domain: reader.text("domain") ?? "",
    search: reader.texts("search"),
    options: reader.texts("options"),
  };
}

function isAddress(text: string): boolean {
  return /^(\d{1,3}\.){3}\d{1,3}$/.test(text)
    ? text.split(".").every((part) => Number(part) < 256)
    : /^[0-9a-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]/`);
}
