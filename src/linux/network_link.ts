/**
 * What the kernel tells of a network interface: rtnetlink(7), `RTM_GETLINK`.
 *
 * @module
 */

import { type Bytes, concatenate } from "./bytes.ts";
import { Fd } from "./fd.ts";
import { cString, syscall } from "./libc.ts";
import { decodeText } from "./text.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;

/** `struct nlmsghdr`, and `struct ifinfomsg` with the place of the interface's number. */
const HEADER_SIZE = 16;
const INFO_SIZE = 16;
const INDEX = HEADER_SIZE + 4;

/** Attributes, and those in `IFLA_LINKINFO`. */
const IFLA_IFNAME = 3;
const IFLA_LINK = 5;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const ATTRIBUTE_HEADER = 4;
/** The bits of an attribute's type that say how it is encoded. */
const TYPE_MASK = 0x3fff;

/** More than the kernel has to say about one interface. */
const ANSWER_SIZE = 64 * 1024;

/** An interface of a network namespace. */
export interface NetworkLink {
  name: string;
  /** Such as `veth`; empty for a device of the machine. */
  kind: string;
  /**
   * The number of the interface at its other end or below it; of a `veth`, in the peer's network.
   */
  link: number | undefined;
}

/**
 * Looks at an interface of the network namespace that this thread is in.
 *
 * @param which Its name, or its number.
 * @returns `undefined` when there is none.
 * @throws {SyscallError} when the kernel cannot be asked.
 */
export function readNetworkLink(which: string | number): NetworkLink | undefined {
  using socket = new Fd(syscall("socket", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  const request = encodeRequest(which);
  syscall("sendto", socket.number, request, request.length, 0, null, 0);
  const answer = new Uint8Array(ANSWER_SIZE);
  const length = syscall("read", socket.number, answer, answer.length);
  return decodeAnswer(answer.subarray(0, length));
}

function encodeRequest(which: string | number): Bytes {
  const name = typeof which === "string" ? encodeAttribute(IFLA_IFNAME, cString(which)) : [];
  const header = new DataView(new ArrayBuffer(HEADER_SIZE + INFO_SIZE));
  const size = header.byteLength + name.reduce((total, { length }) => total + length, 0);
  header.setUint32(0, size, true);
  header.setUint16(4, RTM_GETLINK, true);
  header.setUint16(6, NLM_F_REQUEST, true);
  if (typeof which === "number") header.setInt32(INDEX, which, true);
  return concatenate([new Uint8Array(header.buffer), ...name]);
}

function encodeAttribute(type: number, value: Bytes): Bytes[] {
  const header = new DataView(new ArrayBuffer(ATTRIBUTE_HEADER));
  header.setUint16(0, ATTRIBUTE_HEADER + value.length, true);
  header.setUint16(2, type, true);
  return [new Uint8Array(header.buffer), value, new Uint8Array(-value.length & 3)];
}

/**
 * Reads the kernel's answer.
 *
 * @returns `undefined` when it is an error: there is no such interface.
 */
export function decodeAnswer(answer: Bytes): NetworkLink | undefined {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  if (view.byteLength < HEADER_SIZE + INFO_SIZE || view.getUint16(4, true) !== RTM_NEWLINK) {
    return undefined;
  }
  const attributes = decodeAttributes(answer.subarray(HEADER_SIZE + INFO_SIZE));
  const link = attributes.get(IFLA_LINK);
  const kind = decodeAttributes(attributes.get(IFLA_LINKINFO) ?? new Uint8Array())
    .get(IFLA_INFO_KIND);
  return {
    name: textOf(attributes.get(IFLA_IFNAME)),
    kind: textOf(kind),
    link: link && new DataView(link.buffer, link.byteOffset).getInt32(0, true),
  };
}

function decodeAttributes(bytes: Bytes): Map<number, Bytes> {
  const attributes = new Map<number, Bytes>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + ATTRIBUTE_HEADER <= bytes.length;) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER) break;
    const type = view.getUint16(at + 2, true) & TYPE_MASK;
    attributes.set(type, bytes.subarray(at + ATTRIBUTE_HEADER, at + length));
    at += length + (-length & 3);
  }
  return attributes;
}

/** A C string in an attribute. */
function textOf(bytes: Bytes | undefined): string {
  return decodeText(bytes ?? new Uint8Array()).replace(/\0.*$/s, "");
}
