import { assertEquals } from "@std/assert";
import type { Volume } from "../../appc/manifest.ts";
import type { Mount, Propagation } from "../../linux/mountinfo.ts";
import { planMaskedPaths } from "./masked_paths.ts";
import { type BindStep, partMounts } from "./mount_steps.ts";
import { type MountFacts, type MountOptions, planMounts, withCgroups } from "./mounts.ts";
import type { VolumeMount } from "./volumes.ts";

const OPTIONS: MountOptions = {
  flavor: "host",
  app: "web",
  hasNetwork: false,
  hostname: undefined,
  ids: undefined,
  dns: { resolv: "default", hosts: "default" },
  readOnlyRoot: false,
  restrictDevices: false,
  maskedPaths: undefined,
  hasTerminal: false,
  notifySocket: undefined,
};
const NOTHING: MountFacts = { mounts: [], sources: new Map() };

function mountAt(id: number, mountPoint: string, propagation: Propagation): Mount {
  const mount = { parentId: 1, root: "/", options: ["rw"], type: "ext4", superOptions: "rw" };
  return { ...mount, id, mountPoint, propagation };
}

function volumeMount(volume: Volume, readOnly = false): VolumeMount {
  return { volume, target: "/data", readOnly, isDefault: false, field: "apps[0].mounts[0]" };
}

function host(recursive?: boolean): Volume {
  return {
    name: "v",
    kind: "host",
    source: "/srv",
    ...(recursive === undefined ? {} : { recursive }),
  };
}

/** Facts of a host whose /srv is in mount 1, or is it, and has a mount at /srv/sub. */
function facts(propagation: Propagation, isMountRoot: boolean): MountFacts {
  return {
    mounts: [
      mountAt(1, isMountRoot ? "/srv" : "/", propagation),
      mountAt(2, "/srv/sub", propagation),
      mountAt(3, "/srvice", propagation),
    ],
    sources: new Map([[
      "/srv",
      { realPath: "/srv", mountId: 1, isMountRoot, device: undefined },
    ]]),
  };
}

function shared(mount: VolumeMount, known: MountFacts): string[] {
  return planMounts([mount], OPTIONS, known).share.map(({ mountPoint }) => mountPoint);
}

function volumeStep(mount: VolumeMount, known = facts("private", false)): BindStep | undefined {
  const { mounts } = planMounts([mount], OPTIONS, known);
  return mounts.find((step): step is BindStep => step.kind === "bind" && step.target === "/data");
}

Deno.test("an app has the kernel's file systems first: of the host, or of the pod", () => {
  const first = (flavor: MountOptions["flavor"]) =>
    planMounts([], { ...OPTIONS, flavor }, NOTHING).mounts.slice(0, flavor === "host" ? 3 : 5);
  assertEquals(first("host").map(({ kind, target }) => [kind, target]), [
    ["host-tree", "/dev"],
    ["host-tree", "/proc"],
    ["host-tree", "/sys"],
  ]);
  assertEquals(
    first("isolated").map((step) => step.kind === "pod-tree" && [step.source, step.target]),
    [
      ["/dev", "/dev"],
      ["/null-console", "/dev/console"],
      ["/syslog/web", "/dev/log"],
      ["/proc", "/proc"],
      ["/sys", "/sys"],
    ],
  );
});

Deno.test("the console of an app with a terminal is that terminal", () => {
  const { mounts } = planMounts(
    [],
    { ...OPTIONS, flavor: "isolated", hasTerminal: true },
    NOTHING,
  );
  const [, console] = mounts;
  assertEquals(console, {
    kind: "pod-tree",
    source: "/dev/pts/0",
    target: "/dev/console",
    readOnly: true,
    field: "/dev/console",
  });
});

Deno.test("a source that is a private mount of the host is shared", () => {
  assertEquals(shared(volumeMount(host(false)), facts("private", true)), ["/srv"]);
  assertEquals(shared(volumeMount(host()), facts("private", true)), ["/srv", "/srv/sub"]);
  assertEquals(shared(volumeMount(host()), facts("slave", true)), ["/srv", "/srv/sub"]);
});

Deno.test("what is shared already is left alone", () => {
  assertEquals(shared(volumeMount(host(true)), facts("shared", true)), []);
});

Deno.test("a directory inside a private mount is shared only if it asks to be recursive", () => {
  assertEquals(shared(volumeMount(host()), facts("private", false)), []);
  assertEquals(shared(volumeMount(host(false)), facts("private", false)), []);
  assertEquals(shared(volumeMount(host(true)), facts("private", false)), ["/", "/srv/sub"]);
  assertEquals(shared(volumeMount(host(true)), facts("slave", false)), []);
});

Deno.test("a read-only volume changes nothing on the host and stays as it was at the start", () => {
  const mount = volumeMount(host(true), true);
  assertEquals(shared(mount, facts("private", true)), []);
  assertEquals(volumeStep(mount)?.propagation, "private");
});

Deno.test("a volume is recursive unless it says otherwise", () => {
  assertEquals(volumeStep(volumeMount(host()))?.recursive, true);
  assertEquals(volumeStep(volumeMount(host(true)))?.recursive, true);
  assertEquals(volumeStep(volumeMount(host(false)))?.recursive, false);
});

Deno.test("an empty volume is one directory of the pod, however often it is mounted", () => {
  const volume: Volume = { name: "v", kind: "empty", mode: "1750", uid: 5 };
  const mounts = [volumeMount(volume), { ...volumeMount(volume), target: "/other" }];
  const plan = planMounts(mounts, OPTIONS, NOTHING);
  assertEquals(plan.directories, [{ path: "sharedVolumes/v", mode: 0o1750, uid: 5, gid: 0 }]);
  assertEquals(
    plan.mounts.filter((step) => step.kind === "bind" && step.source === "sharedVolumes/v").length,
    2,
  );
});

Deno.test("volumes come after what every app has, and files of options last", () => {
  const options: MountOptions = { ...OPTIONS, dns: { resolv: "host", hosts: "default" } };
  const own: VolumeMount = { ...volumeMount(host()), volume: { kind: "own" }, target: "/own" };
  const { mounts } = planMounts([volumeMount(host()), own], options, facts("private", false));
  const { before, volumes, after } = partMounts(mounts);
  assertEquals([...before, ...volumes, ...after], mounts);
  assertEquals(volumes.map(({ target, role }) => [target, role]), [
    ["/data", "volume"],
    ["/own", "default"],
  ]);
  assertEquals(after.map(({ target }) => target), ["/etc/resolv.conf"]);
});

Deno.test("the hosts file that an app lacks is written before volumes can cover /etc", () => {
  const { mounts } = planMounts([volumeMount({ name: "v", kind: "empty" })], OPTIONS, NOTHING);
  const file = mounts.findIndex(({ kind }) => kind === "file");
  const volume = mounts.findIndex(({ target }) => target === "/data");
  assertEquals(file >= 0 && file < volume, true);
});

Deno.test("the host's OPTIONS files are read-only, the pod's own are not", () => {
  const files = (resolv: "host" | "stage0", hosts: "host" | "stage0") =>
    planMounts([], { ...OPTIONS, dns: { resolv, hosts } }, NOTHING).mounts
      .filter((step) => step.kind === "bind" && step.target.startsWith("/etc/"))
      .map((step) => step.kind === "bind" && [step.source, step.target, step.readOnly]);
  assertEquals(files("host", "host"), [
    ["/etc/resolv.conf", "/etc/resolv.conf", true],
    ["/etc/hosts", "/etc/hosts", true],
  ]);
  assertEquals(files("stage0", "stage0"), [
    ["stage1/rootfs/etc/rkt-resolv.conf", "/etc/resolv.conf", false],
    ["stage1/rootfs/etc/rkt-hosts", "/etc/hosts", false],
  ]);
});

Deno.test("the kernel's paths are protected when asked for, before anything can cover them", () => {
  const options = { ...OPTIONS, maskedPaths: "annotations[0]" };
  const volume = volumeMount({ name: "v", kind: "empty" });
  const { mounts } = planMounts([volume], options, NOTHING);
  const masks = mounts.filter((step) => step.kind === "mask");
  assertEquals(
    masks.map(({ kind: _, ...mask }) => mask),
    planMaskedPaths("annotations[0]", options),
  );
  assertEquals(mounts.slice(3, 3 + masks.length), masks);
  assertEquals(
    planMounts([volume], OPTIONS, NOTHING).mounts.some(({ kind }) => kind === "mask"),
    false,
  );
});

Deno.test("the kernel's paths of an isolated pod are no matter of each app's", () => {
  const options = { ...OPTIONS, flavor: "isolated", maskedPaths: "annotations[0]" } as const;
  const { mounts } = planMounts([], options, NOTHING);
  assertEquals(mounts.filter(({ kind }) => kind === "mask"), []);
});

Deno.test("an isolated app has its cgroups right behind /sys, and in the same places as on a host", () => {
  const cgroups = [
    { version: 1, mountOptions: ["cpu", "cpuacct"], path: "/cg/cpu/pod/app-a" },
    { version: 2, mountOptions: [], path: "/cg/unified/pod/app-a" },
  ] as const;
  const behindSys = (
    flavor: MountOptions["flavor"],
    which: typeof cgroups | [],
    ...at: string[]
  ) => {
    const volumes = at.map((target) => ({ ...volumeMount(host()), target }));
    const known = facts("private", false);
    const { mounts } = planMounts(volumes, { ...OPTIONS, flavor }, known);
    const steps = withCgroups(mounts, which);
    const sys = steps.findIndex(({ target }) => target === "/sys");
    assertEquals(steps.filter(({ kind }) => kind !== "cgroup"), mounts);
    return steps.filter((step, i) => step.kind === "cgroup" && i <= sys + which.length)
      .map((step) => step.kind === "cgroup" && `${step.source} ${step.target}`);
  };
  assertEquals(behindSys("isolated", cgroups), [
    "/cg/cpu/pod/app-a /sys/fs/cgroup/cpu,cpuacct",
    "/cg/unified/pod/app-a /sys/fs/cgroup/unified",
  ]);
  assertEquals(behindSys("isolated", []), []);
  assertEquals(behindSys("isolated", cgroups, "/sys/fs/cgroup"), []);
  assertEquals(behindSys("host", cgroups), []);
});

Deno.test("an isolated app with a volume in /sys has nothing of the kernel's there", () => {
  const inSys = (flavor: MountOptions["flavor"], ...volumes: string[]): string[] => {
    const mounts = volumes.map((target) => ({ ...volumeMount(host()), target }));
    return planMounts(mounts, { ...OPTIONS, flavor }, facts("private", false)).mounts
      .map(({ target }) => target).filter((target) => target.startsWith("/sys"));
  };
  assertEquals(inSys("isolated", "/system"), ["/sys", "/system"]);
  assertEquals(inSys("isolated", "/sys"), ["/sys"]);
  assertEquals(inSys("isolated", "/sys//class"), ["/sys//class"]);
  assertEquals(inSys("isolated", "/sys/class"), ["/sys/class"]);
  assertEquals(inSys("host", "/sys/class"), ["/sys", "/sys/class"]);
});

Deno.test("where devices are fenced, device files are of use in /dev and as volumes alone", () => {
  const options: MountOptions = {
    ...OPTIONS,
    flavor: "isolated",
    restrictDevices: true,
    dns: { resolv: "host", hosts: "stage0" },
  };
  const known = facts("private", false);
  const disk = { kind: "block", major: 8, minor: 0 } as const;
  known.sources.get("/srv")!.device = undefined;
  const without = planMounts([volumeMount(host())], options, known);
  const useful = ({ mounts }: typeof without) =>
    mounts.filter((step) => step.kind === "bind" && !step.noDevices)
      .map(({ target }) => target);
  assertEquals(without.noDevices, true);
  assertEquals(useful(without), []);
  known.sources.get("/srv")!.device = disk;
  assertEquals(useful(planMounts([volumeMount(host())], options, known)), ["/data"]);
  assertEquals(planMounts([], OPTIONS, NOTHING).noDevices, false);
});

Deno.test("what is made for a pod with users of its own belongs to these", () => {
  const volume = volumeMount({ name: "v", kind: "empty", uid: 3 });
  const ids = { shift: 5000, count: 10 };
  const { directories } = planMounts([volume], { ...OPTIONS, ids }, NOTHING);
  assertEquals(directories.map(({ uid, gid }) => [uid, gid]), [[5003, 5000]]);
});

Deno.test("an isolated app keeps its image's /tmp, another has a new one", () => {
  const tmpOf = (flavor: MountOptions["flavor"]) =>
    planMounts([], { ...OPTIONS, flavor }, NOTHING).mounts.filter(({ target }) => target === "/tmp")
      .map(({ kind }) => kind);
  assertEquals(tmpOf("host"), ["tmpfs"]);
  assertEquals(tmpOf("isolated"), ["directory"]);
});
