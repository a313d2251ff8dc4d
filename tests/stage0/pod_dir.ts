/**
 * Composes the pod directory on disk, as rkt does.
 *
 * @module
 */

import { execute, type Host, must, thisHost } from "../host.ts";
import { mountsUnder } from "../procfs.ts";
import {
  annotation,
  appNameOf,
  type AppOptions,
  composeApp,
  composePod,
  type PodWishes,
} from "./manifest.ts";
import { openTree, type Tree } from "./tree.ts";

/** The parts of a pod. */
export interface PodOptions extends PodWishes {
  /** Its apps. */
  apps: AppOptions[];
  /**
   * The pod manifest itself, as text or as a value to write as JSON; by default, it is composed.
   */
  manifest?: unknown;
  /**
   * Whether trees are overlays, as rkt prefers, or copies; by default, overlays where they work.
   */
  overlay?: boolean;
  /**
   * The pod's own users, as `--private-users` spells them. Its trees are then copies that belong to
   * these users.
   */
  privateUsers?: string;
}

/** What a pod directory is composed with. */
export interface Site {
  /** The path of the directory, which must not exist. */
  dir: string;
  /** The stage1. */
  stage1: Tree;
  /** The directory where ACIs are unpacked. */
  cache: string;
  /** Whether overlays can be mounted there. */
  overlay: boolean;
}

/** Composes a pod directory. */
export async function composePodDir(site: Site, options: PodOptions): Promise<void> {
  const { dir, stage1 } = site;
  const overlay = usesOverlay(site, options);
  await Deno.mkdir(`${dir}/appsinfo`, { recursive: true, mode: 0o750 });
  await placeStage1(dir, stage1, overlay);
  const apps = await Promise.all(options.apps.map(async (app) => {
    const tree = await openTree(app.image, site.cache);
    const name = app.name ?? appNameOf(tree.manifest);
    await placeApp(dir, name, tree, overlay);
    if (options.privateUsers) await shiftOwners(appRootfs(dir, name), options.privateUsers);
    return composeApp(app, tree.manifest, tree.id);
  }));
  await write(`${dir}/pod`, asText(options.manifest ?? composePod(apps, options)));
  await write(`${dir}/pod.lck`, "");
  await write(`${dir}/pod-created`, "");
  if (overlay) await write(`${dir}/overlay-prepared`, "");
  // rkt gives all of a stage1 to the pod's users. Here its programs are links that pods share.
  if (options.privateUsers) {
    await must([
      "chown",
      options.privateUsers.replace(/:.*/, ""),
      `${dir}/stage1/rootfs/rkt/status`,
    ]);
  }
}

/** Tells whether a pod's trees are overlays. Copies can have owners of their own. */
export function usesOverlay(site: Pick<Site, "overlay">, options: PodOptions): boolean {
  return options.overlay ?? (site.overlay && !options.privateUsers);
}

function appRootfs(dir: string, app: string): string {
  return `${dir}/stage1/rootfs/opt/stage2/${app}/rootfs`;
}

/** Shifts each file's owner into the pod's own range of users. */
export async function shiftOwners(rootfs: string, privateUsers: string): Promise<void> {
  const shift = parseInt(privateUsers);
  const owners = (await must(["find", rootfs, "-printf", "%U:%G\n"])).trim().split("\n");
  for (const owner of new Set(owners)) {
    const [uid, gid] = owner.split(":").map(Number) as [number, number];
    const ofOwner = ["-uid", `${uid}`, "-gid", `${gid}`];
    const chown = ["chown", "--no-dereference", `${uid + shift}:${gid + shift}`];
    await must(["find", rootfs, ...ofOwner, "-exec", ...chown, "{}", "+"]);
  }
}

function asText(manifest: unknown): string {
  return typeof manifest === "string" ? manifest : JSON.stringify(manifest);
}

function write(path: string, text: string): Promise<void> {
  return Deno.writeTextFile(path, text, { mode: 0o640 });
}

async function placeStage1(dir: string, tree: Tree, overlay: boolean): Promise<void> {
  await Deno.mkdir(`${dir}/stage1`, { mode: 0o750 });
  await write(`${dir}/stage1/manifest`, tree.manifestText);
  await write(`${dir}/stage1TreeStoreID`, tree.id);
  await (overlay ? mountStage1(dir, tree) : copyStage1(dir, tree));
}

/** Mounts the stage1 tree. `gc` calls this too, as a reboot unmounts the tree. */
export async function mountStage1(dir: string, tree: Tree): Promise<void> {
  await mountOverlay(tree.rootfs, `${dir}/overlay/${tree.id}`, "", `${dir}/stage1/rootfs`);
  // rkt reads exit codes from the upper layer, which has the directory only once it has changed.
  await Deno.utime(`${dir}/stage1/rootfs/rkt/status`, new Date(), new Date());
}

/**
 * Copies a stage1, but links its programs: each has a hundred megabytes, and nobody writes to them.
 */
async function copyStage1(dir: string, tree: Tree): Promise<void> {
  const target = `${dir}/stage1/rootfs`;
  const linked = await execute(["cp", "--archive", "--link", tree.rootfs, target]);
  if (linked.code === 0) return;
  await must(["cp", "--archive", "--no-target-directory", tree.rootfs, target]);
}

/** Places an app's image, also in a pod that runs already, on the host on which it runs. */
export async function placeApp(
  dir: string,
  name: string,
  tree: Tree,
  overlay: boolean,
  host: Host = thisHost,
): Promise<void> {
  const info = `${dir}/appsinfo/${name}`;
  const target = `${dir}/stage1/rootfs/opt/stage2/${name}`;
  await Deno.mkdir(info, { recursive: true, mode: 0o750 });
  await Deno.mkdir(target, { recursive: true, mode: 0o750 });
  await write(`${info}/manifest`, tree.manifestText);
  await write(`${info}/treeStoreID`, tree.id);
  await write(`${target}/manifest`, tree.manifestText);
  if (overlay) {
    await mountOverlay(tree.rootfs, `${dir}/overlay/${tree.id}`, name, `${target}/rootfs`, host);
  } else {
    await must(["cp", "--archive", tree.rootfs, target]);
  }
  await linkMtab(`${target}/rootfs/etc`, host);
}

async function mountOverlay(
  lower: string,
  dir: string,
  app: string,
  target: string,
  host: Host = thisHost,
): Promise<void> {
  const mode = (await Deno.stat(lower)).mode! & 0o7777;
  const [upper, work] = [`${dir}/upper/${app}`, `${dir}/work/${app}`];
  await Deno.mkdir(upper, { recursive: true });
  await Deno.chmod(upper, mode);
  await Deno.mkdir(work, { recursive: true });
  await Deno.mkdir(target, { recursive: true });
  const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await must(["mount", "-t", "overlay", "overlay", "-o", layers, target], host);
}

/** Gives an app that has `/etc` but no `/etc/mtab` the link that programs expect. */
async function linkMtab(etc: string, host: Host): Promise<void> {
  const link = 'test ! -d "$0" || test -e "$0/mtab" -o -L "$0/mtab" || ' +
    'ln -s ../proc/self/mounts "$0/mtab"';
  await must(["sh", "-c", link, etc], host);
}

/** Returns the absolute path of an entrypoint, which the stage1's manifest names, below a root. */
export function entrypoint(stage1: Tree, rootfs: string, name: string): string {
  const path = annotation(stage1.manifest, `coreos.com/rkt/stage1/${name}`);
  if (path === undefined) throw new Error(`the stage1 has no entrypoint ${JSON.stringify(name)}`);
  return `${rootfs}/${path.replace(/^\/+/, "")}`;
}

/** Unmounts everything below a directory, and removes the directory. */
export async function removeTree(dir: string): Promise<void> {
  const paths = mountsUnder(dir).map(({ path }) => path).reverse();
  // Without this, unmounting a shared copy of /dev would unmount the host's /dev/pts. It is done
  // recursively, because a mount may be covered by another one on the same path.
  for (const path of paths) await must(["mount", "--make-rprivate", path]);
  // Lazily, as rkt does: a process that is left keeps its mount busy, which must not keep the rest.
  for (const path of paths) await must(["umount", "--lazy", path]);
  await Deno.remove(dir, { recursive: true });
}
