/**
 * Servers from Debian's packages, to run in pods as an operator does.
 *
 * `tasks/setup.mjs` unpacks them, when it is asked to.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { SERVERS, wantsAll } from "../tasks/setup.mjs";
import { editJson } from "./expect.ts";
import { execute, type Host, type Result, SimulatedHost } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import { readMounts } from "./procfs.ts";
import type { Need, Stage } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** What tests of servers need. */
export const SERVER_NEEDS: Need[] = [
  { what: "VOLO_ALL=1", met: wantsAll(Deno.env.toObject()) },
  { what: "Debian's servers unpacked", met: existsSync(SERVERS) },
  ...NETWORK_NEEDS,
];

/** A user of the servers. In Debian, the packages' scripts add them. */
interface User {
  name: string;
  id: number;
}

/** The users of the servers. */
export const USERS = {
  "www-data": { name: "www-data", id: 33 },
  postgres: { name: "postgres", id: 105 },
  redis: { name: "redis", id: 106 },
  node: { name: "node", id: 1000 },
} as const satisfies Record<string, User>;

/** A server in a pod. */
export interface Server {
  /** The app's name. */
  name: string;
  exec: string[];
  user: keyof typeof USERS | "root";
  /** The port that it listens on, which is forwarded where the pod has a network of its own. */
  port?: number;
  /** Files of its root, by absolute path. */
  files?: Record<string, string>;
  /** A directory of the host that outlives the pod, and where the server finds it. */
  data?: { source: string; path: string };
  /** What it may have of memory, in MiB. */
  mebibytes?: number;
  /** The signal that asks it to end. */
  stopSignal?: string;
}

/** How much higher a forwarded port's number is on the host. */
const FORWARDED = 10_000;

/** Tells whether a pod has a network of its own, by what it gets where a test says nothing. */
export function isIsolated({ net }: Pod): boolean {
  return net === "none";
}

/** Returns the number of the host's port by which a server is reached. */
export function hostPort(pod: Pod, { port = 0 }: Server): number {
  return isIsolated(pod) ? port + FORWARDED : port;
}

/** Returns the path of a program of postgres's: its version is part of the path. */
export function ofPostgres(program: string): string {
  const directory = "/usr/lib/postgresql";
  const [version] = [...Deno.readDirSync(`${SERVERS}${directory}`)].map(({ name }) => name);
  return `${directory}/${version}/bin/${program}`;
}

/** Composes a pod of servers, the first of which begins first. */
export async function serve({ stage0, dir }: Stage, ...servers: Server[]): Promise<Pod> {
  const image = await composeImage(dir);
  const pod = await stage0.prepare({
    apps: servers.map(({ name, exec, user, mebibytes, data }) => ({
      image,
      name,
      app: {
        exec,
        user,
        group: user,
        isolators: mebibytes === undefined
          ? []
          : [{ name: "resource/memory", value: { limit: `${mebibytes}Mi` } }],
      },
      mounts: data ? [{ volume: name, path: data.path }] : [],
    })),
    volumes: servers.flatMap(({ name, data }) =>
      data ? [{ name, kind: "host" as const, source: data.source }] : []
    ),
  });
  for (const server of servers) await furnish(pod.appRootfs(server.name), server);
  await editJson(`${pod.dir}/pod`, (manifest) => {
    servers.forEach((server, i) => {
      addSignal(manifest.apps[i], server);
      if (isIsolated(pod)) addPort(manifest, manifest.apps[i], server);
    });
  });
  return pod;
}

// deno-lint-ignore no-explicit-any -- as what `editJson` passes
function addSignal(runtime: any, { stopSignal }: Server): void {
  if (stopSignal === undefined) return;
  runtime.annotations = [{ name: "stage1-volo/stop-signal", value: stopSignal }];
}

// deno-lint-ignore no-explicit-any -- as what `editJson` passes
function addPort(manifest: any, runtime: any, { name, port }: Server): void {
  if (port === undefined) return;
  runtime.app.ports = [{ name, protocol: "tcp", port }];
  manifest.ports.push({ name, hostPort: port + FORWARDED });
}

/** Makes an image of the unpacked packages, which are not copied: pods write to overlays. */
async function composeImage(dir: string): Promise<string> {
  const image = `${dir}/servers`;
  if (existsSync(image)) return image;
  const manifest = { acKind: "ImageManifest", acVersion: "0.8.11", name: "debian.org/servers" };
  await Deno.mkdir(image);
  await Deno.writeTextFile(`${image}/manifest`, JSON.stringify({ ...manifest, labels: [] }));
  await Deno.symlink(SERVERS, `${image}/rootfs`);
  return image;
}

/** Does in an app's root what the packages' scripts do in Debian. */
async function furnish(rootfs: string, { files = {} }: Server): Promise<void> {
  const users = [{ name: "root", id: 0 }, ...Object.values(USERS)];
  const passwd = users.map(({ name, id }) => `${name}:x:${id}:${id}::/:/bin/sh\n`).join("");
  const group = users.map(({ name, id }) => `${name}:x:${id}:\n`).join("");
  const all = { "/etc/passwd": passwd, "/etc/group": group, ...files };
  for (const [path, text] of Object.entries(all)) {
    await Deno.mkdir(`${rootfs}${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${rootfs}${path}`, text);
  }
  if (!existsSync(`${rootfs}/bin/sh`)) await Deno.symlink("busybox", `${rootfs}/bin/sh`);
  await Deno.mkdir(`${rootfs}/run/postgresql`);
  await own(`${rootfs}/run/postgresql`, "postgres");
}

/** Makes a directory for a server's data, which outlives its pods. */
export async function makeData({ dir }: Stage, user: keyof typeof USERS): Promise<string> {
  const data = `${dir}/data`;
  await Deno.mkdir(data, { mode: 0o700 });
  await own(data, user);
  return data;
}

async function own(path: string, user: keyof typeof USERS): Promise<void> {
  await Deno.chown(path, USERS[user].id, USERS[user].id);
}

/** Runs a client from the packages on a host, whatever its exit code. */
export function askBy(host: Host, ...client: string[]): Promise<Result> {
  return execute(["chroot", SERVERS, ...client], host);
}

/** Fetches a page from a host's port; empty when nobody answers. */
export async function fetchPage(host: Host, port: number, path = "/"): Promise<string> {
  return (await fetchInto("-", host, port, path)).stdout;
}

/** Fetches a page from a host's port into a file, which can be read meanwhile. */
export function fetchInto(file: string, host: Host, port: number, path: string): Promise<Result> {
  const url = `http://127.0.0.1:${port}${path}`;
  return execute(["busybox", "wget", "-q", "-O", file, url], host);
}

/** Opens a host with a network of its own. */
export function openHost(): Promise<SimulatedHost> {
  return SimulatedHost.open("private", "own");
}

/** Reads how many bytes of memory a process may use, from its cgroup: v1, or else v2. */
export function memoryLimitOf(pid: number): number {
  const lines = Deno.readTextFileSync(`/proc/${pid}/cgroup`).trim().split("\n");
  const places = lines.map((line) => line.split(":") as [string, string, string]);
  const v1 = places.find(([, names]) => names.split(",").includes("memory"));
  const [type, file] = v1 ? ["cgroup", "memory.limit_in_bytes"] : ["cgroup2", "memory.max"];
  const [, names, path] = v1 ?? places.find(([number]) => number === "0")!;
  const mount = readMounts().find((it) =>
    it.type === type && (!v1 || it.path.endsWith(`/${names}`))
  )!;
  return Number(Deno.readTextFileSync(`${mount.path}${path}/${file}`));
}
