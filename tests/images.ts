/**
 * Small real images, made on the spot from a static busybox.
 *
 * @module
 */

import { must, which } from "./host.ts";
import type { App } from "./stage0.ts";

/** A file of an image: its text, or more about it. Null means that there is no such file. */
export type FileSpec = null | string | {
  /** Text of a regular file. */
  text?: string;
  /** Target of a symbolic link. */
  link?: string;
  /** Whether it is a directory. */
  dir?: boolean;
  /** Permission bits. */
  mode?: number;
  /** Owner. */
  uid?: number;
  /** Group. */
  gid?: number;
};

/** Options of an image. */
export interface ImageOptions {
  /** The image's name; its last part is the app's name. */
  name?: string;
  /** Fields that replace those of the image's `app`. Null leaves the image without one. */
  app?: Partial<App> | null;
  /** The busybox, which has to be static; by default this machine's. */
  busybox?: string;
  /** Files by absolute path; they replace the usual ones of the same path. */
  files?: Record<string, FileSpec>;
}

/** The busybox to copy. It has to be static, as an image holds no libraries. */
export const BUSYBOX: string | undefined = which("busybox");

/** Files of every image, such as lists of users, so that names can be looked up. */
const USUAL_FILES: Record<string, FileSpec> = {
  "/dev": { dir: true },
  "/proc": { dir: true },
  "/sys": { dir: true },
  "/tmp": { dir: true, mode: 0o1777 },
  "/root": { dir: true, mode: 0o700 },
  "/home/volo": { dir: true, uid: 1000, gid: 1000 },
  "/etc/passwd": [
    "root:x:0:0:root:/root:/bin/sh",
    "daemon:x:1:1:daemon:/:/bin/false",
    "volo:x:1000:1000:Volo:/home/volo:/bin/sh",
    "nobody:x:65534:65534:nobody:/:/bin/false",
    "",
  ].join("\n"),
  "/etc/group": [
    "root:x:0:",
    "daemon:x:1:",
    "audio:x:29:volo",
    "video:x:44:volo",
    "volo:x:1000:",
    "nogroup:x:65534:",
    "",
  ].join("\n"),
};

/** Makes an image in a directory, which must not exist, and returns that directory. */
export async function makeImage(dir: string, options: ImageOptions = {}): Promise<string> {
  await Deno.mkdir(`${dir}/rootfs`, { recursive: true });
  await installBusybox(`${dir}/rootfs/bin`, options.busybox ?? BUSYBOX!);
  const files = { ...USUAL_FILES, ...options.files };
  for (const [path, spec] of Object.entries(files)) await place(`${dir}/rootfs${path}`, spec);
  await Deno.writeTextFile(`${dir}/manifest`, JSON.stringify(composeManifest(options)));
  return dir;
}

/** Packs an image's directory into an ACI; `compression` is an option of `tar`. */
export async function packImage(dir: string, aci: string, compression: string): Promise<string> {
  const entries = ["--directory", dir, "manifest", "rootfs"];
  await must(["tar", "--create", compression, "--file", aci, ...entries]);
  return aci;
}

function composeManifest({ name = "example.com/app", app }: ImageOptions) {
  return {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name,
    labels: [
      { name: "version", value: "1.0.0" },
      { name: "arch", value: Deno.build.arch === "aarch64" ? "aarch64" : "amd64" },
      { name: "os", value: "linux" },
    ],
    ...(app === null ? {} : { app: { exec: ["/bin/sh"], user: "0", group: "0", ...app } }),
  };
}

/**
 * Links busybox under the names of its applets. The links are hard links to symbolic links that all
 * images share: to make and remove hundreds of inodes for each image costs more.
 */
async function installBusybox(bin: string, busybox: string): Promise<void> {
  await Deno.mkdir(bin, { recursive: true });
  const links = await sharedLinks(bin);
  if (links === undefined) await linkApplets(bin);
  else await must(["cp", "--archive", "--link", `${links}/.`, bin]);
  await Deno.copyFile(busybox, `${bin}/busybox`);
}

/** Where `tests/main.ts` wants what tests share. */
const CACHE = Deno.env.get("STAGE1_CACHE");

/** The directory with the links of all images, once it is made. */
let shared: Promise<string> | undefined;

/** Returns the directory of links to share, if there is one on the file system of `bin`. */
async function sharedLinks(bin: string): Promise<string | undefined> {
  if (CACHE === undefined) return undefined;
  const [{ dev }, cache] = [await Deno.stat(bin), await Deno.stat(CACHE)];
  return dev === cache.dev ? await (shared ??= makeSharedLinks(CACHE)) : undefined;
}

async function makeSharedLinks(cache: string): Promise<string> {
  const dir = `${cache}/applets-${crypto.randomUUID()}`;
  await Deno.mkdir(dir);
  await linkApplets(dir);
  return dir;
}

/** This machine's busybox is asked for them, as one of another processor cannot run here. */
async function linkApplets(bin: string): Promise<void> {
  const applets = (await must([BUSYBOX!, "--list"])).trim().split("\n");
  await Promise.all(
    applets.filter((name) => name !== "busybox")
      .map((name) => Deno.symlink("busybox", `${bin}/${name}`)),
  );
}

async function place(path: string, spec: FileSpec): Promise<void> {
  if (spec === null) return;
  const { text, link, dir, mode, uid, gid } = typeof spec === "string" ? { text: spec } : spec;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  if (link !== undefined) return await Deno.symlink(link, path);
  if (dir) await Deno.mkdir(path, { recursive: true });
  else await Deno.writeTextFile(path, text ?? "");
  if (uid !== undefined || gid !== undefined) await Deno.chown(path, uid ?? 0, gid ?? 0);
  if (mode !== undefined) await Deno.chmod(path, mode);
}
