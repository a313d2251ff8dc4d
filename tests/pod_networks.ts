/**
 * Pods in networks of their own, and what they can leave on their host.
 *
 * @module
 */

import { editJson } from "./expect.ts";
import { eventually, execute, type Host, must } from "./host.ts";
import { childrenOf, isAlive } from "./procfs.ts";
import type { Pod, Program } from "./stage0.ts";

/** Lists what pods can leave on a host: interfaces, namespaces, rules, and taken addresses. */
export async function describeNetwork(host: Host): Promise<Record<string, string[]>> {
  const links: { ifname: string }[] = JSON.parse(await must(["ip", "-j", "link", "show"], host));
  const rules = (await must(["iptables-save"], host)).split("\n");
  const find = [
    ...["find", "/run/netns", "/run/stage1-volo", "/var/lib/cni", "-type", "f"],
    ...["(", "-name", "[0-9c]*-*", "-o", "-name", "[0-9]*.*", ")"],
  ];
  return {
    links: links.map(({ ifname }) => ifname),
    rules: rules.filter((line) => /^-A CNI-(DN|SN|HOSTPORT-DNAT|[0-9a-f])/.test(line)),
    files: (await execute(find, host)).stdout.split("\n").filter((line) => line !== ""),
  };
}

/** Leads port 8080 of the host, or another one, to port 80 of a pod. */
export async function forwardPort(pod: Pod, hostPort = 8080, hostIP?: string): Promise<void> {
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.apps[0].app.ports = [{ name: "http", protocol: "tcp", port: 80 }];
    manifest.ports = [{ name: "http", hostPort, ...(hostIP ? { hostIP } : {}) }];
  });
}

/** Returns a script that answers on port 80 with a word, and says `up` first. */
export function serve(word: string): string {
  return `echo up; exec nc -ll -p 80 -e echo ${word}`;
}

/** Connects to a port of the host until the answer is this word. */
export async function answers(host: Host, word: string, port = 8080): Promise<void> {
  await eventually(`the answer ${word}`, async () => {
    const argv = ["busybox", "nc", "-w", "3", "127.0.0.1", String(port)];
    return (await execute(argv, host)).stdout === `${word}\n`;
  });
}

/** Returns the process id of the network keeper that `run` has started. */
export function keeperOf({ pid }: Program): number {
  const name = (each: number) => Deno.readTextFileSync(`/proc/${each}/comm`).trim();
  const found = childrenOf(pid).find((child) => name(child.pid) === "volo-networks");
  if (found === undefined) throw new Error("run has started no keeper");
  return found.pid;
}

/** Waits until a process has ended. */
export async function gone(pid: number): Promise<void> {
  await eventually(`the end of process ${pid}`, () => !isAlive(pid));
}

/**
 * Writes a network of a plugin that is a shell script, and gives the pod an address that nobody
 * uses.
 *
 * @param directory The directory of the local configuration.
 * @param onDel What it does when a pod leaves the network.
 * @param onAdd What it does before it gives a pod its address.
 */
export async function writeNetwork(
  directory: string,
  onDel: string,
  onAdd = "true",
): Promise<void> {
  const networks = `${directory}/net.d`;
  await Deno.mkdir(networks, { recursive: true });
  const configuration = { name: "odd", type: "odd" };
  await Deno.writeTextFile(`${networks}/10-odd.conf`, JSON.stringify(configuration));
  const plugin = [
    "#!/bin/sh",
    `echo $CNI_COMMAND >>${directory}/calls`,
    `test $CNI_COMMAND = DEL || { ${onAdd}; }`,
    `test $CNI_COMMAND = ADD && exec echo '{"ip4":{"ip":"10.1.1.2/24"}}'`,
    onDel,
  ];
  await Deno.writeTextFile(`${networks}/odd`, plugin.join("\n"), { mode: 0o755 });
}
