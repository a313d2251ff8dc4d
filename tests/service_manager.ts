/**
 * A stand-in for a service manager, such as systemd, and an app that it knows how to talk to.
 *
 * @module
 */

import "../src/linux/libc_testing.ts";
import { receiveDatagrams, takeDatagram } from "../src/linux/datagram.ts";
import type { Fd } from "../src/linux/fd.ts";
import { eventually, must } from "./host.ts";
import { makeImage } from "./images.ts";
import type { Stage } from "./scenario.ts";

/** The path of the app's program, `service.c`. */
export const SERVICE = "/bin/service";

/** The annotation of an app that tells when it is ready. */
export const TELLS = [{ name: "appc.io/executor/supports-systemd-notify", value: "true" }];

/** Something that a process has told. */
export interface Told {
  text: string;
  pid: number;
}

/** Who is told of a pod: `NOTIFY_SOCKET`. */
export class ServiceManager implements Disposable {
  readonly #socket: Fd;
  /** What it has been told so far. */
  readonly told: Told[] = [];

  /** @param address Where it receives: a path, or an abstract name behind `@`. */
  constructor(readonly address: string) {
    this.#socket = receiveDatagrams(address);
  }

  /** Waits until it has been told something. */
  async hears(text: string): Promise<Told> {
    let found: Told | undefined;
    await eventually(`${JSON.stringify(text)} told`, () => {
      found = this.listen().find((told) => told.text === text);
      return found !== undefined;
    });
    return found!;
  }

  /** Reads what there is to read, and returns all that it has been told. */
  listen(): Told[] {
    for (;;) {
      const datagram = takeDatagram(this.#socket, 4096);
      if (datagram === undefined || datagram === "files") return this.told;
      this.told.push({ text: new TextDecoder().decode(datagram.bytes), pid: datagram.pid });
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** Makes an image that has the program, and says or does not that its app tells. */
export async function serviceImage(
  { dir }: Stage,
  annotations: readonly { name: string; value: string }[] = TELLS,
): Promise<string> {
  const image = await makeImage(`${dir}/service-${crypto.randomUUID()}`);
  await addService(image, annotations);
  return image;
}

/** Adds the program to an image, and annotations to its manifest. */
export async function addService(
  image: string,
  annotations: readonly { name: string; value: string }[] = TELLS,
): Promise<void> {
  const source = `${import.meta.dirname}/service.c`;
  const options = ["-static", "-Wall", "-Wextra", "-Werror"];
  await must(["gcc", ...options, "-o", `${image}/rootfs${SERVICE}`, source]);
  const manifest = JSON.parse(await Deno.readTextFile(`${image}/manifest`));
  await Deno.writeTextFile(`${image}/manifest`, JSON.stringify({ ...manifest, annotations }));
}
