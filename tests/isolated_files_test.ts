/**
 * Tests of what an app of an isolated pod finds below its root: devices, the kernel's files,
 * volumes.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, editJson } from "./expect.ts";
import { mountTmpfs, must, SimulatedHost } from "./host.ts";
import { processOf, startUp } from "./pod_processes.ts";
import { type Mount, mountsUnder, readMounts } from "./procfs.ts";
import { scenario, type SimplePod, type Stage } from "./scenario.ts";
import type { Pod, RunFlags, Volume } from "./stage0.ts";

const UP = "echo up; exec sleep 100";

/** Flags that allow an app what it may not do by default. */
const UNRESTRICTED: RunFlags = { disable: ["capabilities-restriction", "seccomp"] };

/** Describes a directory's entry: its kind, device number and permission bits, or its target. */
function describeEntry(path: string): string {
  const { isSymlink, isDirectory, isCharDevice, isSocket, rdev, mode } = Deno.lstatSync(path);
  const bits = (mode! & 0o7777).toString(8);
  if (isSymlink) return `-> ${Deno.readLinkSync(path)}`;
  if (isDirectory) return `directory ${bits}`;
  if (isSocket) return `socket ${bits}`;
  return isCharDevice ? `${rdev! >> 8}:${rdev! & 0xff} ${bits}` : `file ${bits}`;
}

function describeDirectory(path: string): Record<string, string> {
  const names = [...Deno.readDirSync(path)].map(({ name }) => name);
  return Object.fromEntries(names.map((name) => [name, describeEntry(`${path}/${name}`)]));
}

scenario(
  "/dev has the standard devices, and the pod's own of the rest",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script(UP, { app: { user: "volo", group: "volo" } });
    const root = `/proc/${processOf(await startUp(pod))}/root`;
    assertEquals(describeDirectory(`${root}/dev`), {
      console: "1:3 666",
      core: "-> /proc/kcore",
      fd: "-> /proc/self/fd",
      full: "1:7 666",
      log: "socket 666",
      mqueue: "directory 1777",
      null: "1:3 666",
      ptmx: "-> pts/ptmx",
      pts: "directory 755",
      random: "1:8 666",
      shm: "directory 1777",
      stderr: "-> /proc/self/fd/2",
      stdin: "-> /proc/self/fd/0",
      stdout: "-> /proc/self/fd/1",
      tty: "5:0 666",
      urandom: "1:9 666",
      zero: "1:5 666",
    });
    assertEquals(describeDirectory(`${root}/dev/pts`), { ptmx: "5:2 666" });
    assertEquals(describeDirectory(`${root}/dev/shm`), {});
    assertEquals(describeDirectory(`${root}/dev/mqueue`), {});
  },
);

/** Describes a mount by what decides how it can be used. */
function outline({ path, type, options }: Mount): string {
  const kept = options.filter((option) => /^(ro|rw|no(suid|dev|exec))$/.test(option));
  return `${path} ${type} ${kept.join(",")}`;
}

scenario(
  "an app's mounts are its own or the pod's, none is the host's",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script(UP);
    const mounts = readMounts(processOf(await startUp(pod)));
    const outlines = mounts.map(outline);
    for (
      const expected of [
        "/ overlay rw,nodev",
        "/dev tmpfs rw",
        "/dev/pts devpts rw",
        "/dev/shm tmpfs rw,nodev",
        "/dev/mqueue mqueue rw,nosuid,nodev,noexec",
        "/proc proc rw,nosuid,nodev,noexec",
        "/sys sysfs ro,nosuid,nodev,noexec",
      ]
    ) assert(outlines.includes(expected), `${expected}: not among\n${outlines.join("\n")}`);
    assertEquals(mounts.flatMap(({ propagation }) => propagation), []);
    const ofHost = new Set(readMounts().map(({ id }) => id));
    assertEquals(mounts.filter(({ id }) => ofHost.has(id)), []);
  },
);

scenario(
  "an app makes terminals and memory of the pod's own",
  { flavor: "isolated" },
  async ({ script }) => {
    const text =
      "ls /dev/pts; exec 3<>/dev/ptmx; ls /dev/pts; echo hello >/dev/shm/file; cat /dev/shm/file; " +
      "echo to stderr >/dev/stderr; echo to stdout >/dev/stdout; : >/dev/console; : </dev/console";
    await using pod = await script(text);
    const { code, stdout, stderr } = await pod.run();
    assertEquals({ code, stdout, stderr }, {
      code: 0,
      stdout: "ptmx\n0\nptmx\nhello\nto stdout\n",
      stderr: "to stderr\n",
    });
  },
);

scenario(
  "apps have one /dev/shm, and each its own /tmp",
  { flavor: "isolated" },
  async ({ scripts }) => {
    const wait = "until test -e /dev/shm/two; do sleep .02; done";
    await using pod = await scripts({
      one: `echo shared >/dev/shm/one; touch /tmp/one; ${wait}; ls /tmp /dev/shm`,
      two:
        "until test -e /dev/shm/one; do sleep .02; done; touch /tmp/two; ls /tmp; touch /dev/shm/two",
    });
    const { stdout } = await pod.run();
    const lines = stdout.trim().split("\n").map((line) =>
      line.replace(/^.*\] (\w+)\[\d+\]: /, "$1 ")
    );
    assertEquals(lines.filter((line) => line.startsWith("two")), ["two two"]);
    assertEquals(lines.filter((line) => line.startsWith("one")), [
      "one /dev/shm:",
      "one one",
      "one two",
      "one ",
      "one /tmp:",
      "one one",
    ]);
  },
);

/** Reads how many bytes of memory the machine has. */
function memory(): number {
  const [, kibibytes] = /^MemTotal: +(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/meminfo"))!;
  return Number(kibibytes) * 1024;
}

scenario(
  "/dev/shm holds a tenth of the memory, and 400k files",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script("stat -f -c '%b %S %c' /dev/shm");
    const result = await pod.run();
    assertCode(result, 0);
    const [blocks, blockSize, files] = result.stdout.split(" ").map(Number);
    const share = blocks! * blockSize! / memory();
    assert(share > 0.099 && share < 0.101, `${share} of the memory`);
    assertEquals(files, 400 * 1024);
  },
);

scenario(
  "an app has its image's /tmp, files and all",
  { flavor: "isolated" },
  async ({ image, script }) => {
    const files = { "/tmp": { dir: true, mode: 0o1755 }, "/tmp/of-the-image": "kept\n" } as const;
    await using pod = await script(
      "cat /tmp/of-the-image; stat -c %a /tmp; grep -c ' /tmp ' /proc/mounts; true",
      {
        image: await image({ files }),
      },
    );
    assertPrints(await pod.run(), "kept\n1755\n0\n");
  },
);

scenario(
  "an app whose image has no /tmp gets one that everybody can use",
  { flavor: "isolated" },
  async ({ image, script }) => {
    await using pod = await script("stat -c '%a %u:%g' /tmp; echo x >/tmp/mine && cat /tmp/mine", {
      image: await image({ files: { "/tmp": null } }),
      app: { user: "volo", group: "volo" },
    });
    assertPrints(await pod.run(), "1777 0:0\nx\n");
  },
);

scenario(
  "a link at /tmp stays, wherever it leads",
  { flavor: "isolated" },
  async ({ image, script }) => {
    await using pod = await script("readlink /tmp; ls -d /var/temporary 2>/dev/null; true", {
      image: await image({ files: { "/tmp": { link: "var/temporary" } } }),
    });
    assertPrints(await pod.run(), "var/temporary\n");
  },
);

scenario("/dev is no place for files", { flavor: "isolated" }, async ({ script }) => {
  const text =
    "i=0; while true >/dev/$i; do i=$((i + 1)); test $i -lt 3000 || break; done; echo $i; " +
    "head -c 100000 /dev/zero >/dev/0; stat -c %s /dev/0";
  await using pod = await script(text);
  const { stdout, stderr } = await pod.run();
  const [files, bytes] = stdout.trimEnd().split("\n").map(Number);
  assert(files! > 500 && files! < 1024, stdout);
  assert(bytes! <= 65536, stdout);
  assertMatch(stderr, /No space left on device/);
});

/** Prints which of the kernel's paths an app with all privileges can use. */
const TRY_KERNEL = [
  "mkdir /sys/kernel/new 2>/dev/null || echo /sys is read-only",
  "head -c 1 /proc/kallsyms 2>/dev/null | grep -q . && echo symbols",
  "test -r /proc/kcore && head -c 1 /proc/kcore >/dev/null 2>&1 && echo memory",
  "ls /sys/module /sys/firmware 2>/dev/null | grep -q '^[a-z]' && echo modules",
  ...[
    "kernel/core_pattern",
    "kernel/randomize_va_space",
    "vm/swappiness",
    "net/ipv4/ip_default_ttl",
  ]
    .map((name) =>
      `(v=$(cat /proc/sys/${name}) && echo "$v" >/proc/sys/${name}) 2>/dev/null && echo ${name}`
    ),
  "true",
].join("\n");

scenario(
  "the kernel's paths are hidden or read-only by default",
  { flavor: "isolated" },
  async ({ script }) => {
    const settings: [net: string, own: string][] = [["none", "net/ipv4/ip_default_ttl\n"], [
      "host",
      "",
    ]];
    for (const [net, own] of settings) {
      await using pod = await script(TRY_KERNEL);
      assertPrints(await pod.run({ flags: { net } }), `/sys is read-only\n${own}`);
    }
  },
);

/** Reads the kernel's paths and writes to none. */
const LOOK_AT_KERNEL = "head -c 1 /proc/kallsyms 2>/dev/null | grep -q . && echo symbols; " +
  "ls /sys/module | grep -q . && echo modules; " +
  "grep -c ' /proc/[^ ]* ro' /proc/self/mountinfo; true";

scenario(
  "--disable-paths leaves the kernel's paths alone",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(LOOK_AT_KERNEL);
    assertPrints(await pod.run({ flags: { disable: ["paths"] } }), "symbols\nmodules\n0\n");
  },
);

scenario(
  "a pod can do without the protection of the kernel's paths",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script(LOOK_AT_KERNEL);
    await editJson(`${pod.dir}/pod`, (manifest) => {
      manifest.annotations = [{ name: "stage1-volo/protect-kernel-paths", value: "false" }];
    });
    assertPrints(await pod.run(), "symbols\nmodules\n0\n");
  },
);

scenario(
  "a read-only root cannot be written to, its /tmp neither, volumes can",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script(
      "touch /new 2>/dev/null || echo refused; touch /tmp/new 2>/dev/null || echo refused; " +
        "touch /dev/shm/new /data/new && echo written",
      { readOnlyRootFS: true, ...mounted({ kind: "empty" }) },
    );
    assertPrints(await pod.run(), "refused\nrefused\nwritten\n");
  },
);

scenario(
  "a volume at /tmp is the /tmp of a read-only root",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script("echo x >/tmp/new && stat -c '%a %U' /tmp /tmp/new", {
      readOnlyRootFS: true,
      app: { user: "volo", group: "volo" },
      ...mounted({ kind: "empty", mode: "1777" }, "/tmp"),
    });
    assertPrints(await pod.run(), "1777 root\n644 volo\n");
  },
);

/** Returns a volume and its mount. */
function mounted(volume: Omit<Volume, "name">, path = "/data"): SimplePod {
  return { volumes: [{ name: "data", ...volume }], mounts: [{ volume: "data", path }] };
}

/** Makes a directory of the host with one file. */
async function makeSource(dir: string): Promise<string> {
  await Deno.mkdir(`${dir}/source`);
  await Deno.writeTextFile(`${dir}/source/file`, "from the host\n");
  return `${dir}/source`;
}

scenario(
  "volumes of the host are the same inside and outside",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    const source = await makeSource(dir);
    const data = mounted({ kind: "host", source });
    const text = "cat /data/file; echo answer >/data/answer; cat /etc/made/config; " +
      "touch /frozen/new /etc/frozen/new 2>/dev/null || echo refused";
    await using pod = await script(text, {
      volumes: [
        ...data.volumes!,
        { name: "config", kind: "host", source: `${source}/file` },
        { name: "frozen", kind: "host", source, readOnly: true },
      ],
      mounts: [
        ...data.mounts!,
        { volume: "config", path: "/etc/made/config" },
        { volume: "frozen", path: "/frozen" },
      ],
    });
    assertPrints(await pod.run(), "from the host\nfrom the host\nrefused\n");
    assertEquals(await Deno.readTextFile(`${source}/answer`), "answer\n");
  },
);

scenario("a volume in /sys stands there alone", { flavor: "isolated" }, async ({ dir, script }) => {
  const volume: Volume = { name: "class", kind: "host", source: await makeSource(dir) };
  await using pod = await script("ls /sys; cat /sys/class/file", {
    volumes: [volume],
    mounts: [{ volume: "class", path: "/sys/class" }],
  });
  assertPrints(await pod.run(), "class\nfrom the host\n");
});

scenario(
  "mounts inside a volume come along, and are read-only with it",
  { flavor: "isolated" },
  async (stage) => {
    const source = await makeSource(stage.dir);
    await using _inner = await mountTmpfs(`${source}/inner`);
    await Deno.writeTextFile(`${source}/inner/deep`, "deep\n");
    const show = (path: string) =>
      `cat ${path}/inner/deep 2>/dev/null || echo hidden; touch ${path}/inner/new 2>/dev/null && echo written`;
    await using pod = await stage.script(
      ["/all", "/flat", "/frozen"].map(show).join("; ") + "; true",
      {
        volumes: [
          { name: "all", kind: "host", source },
          { name: "flat", kind: "host", source, recursive: false },
          { name: "frozen", kind: "host", source, readOnly: true },
        ],
        mounts: ["all", "flat", "frozen"].map((volume) => ({ volume, path: `/${volume}` })),
      },
    );
    assertPrints(await pod.run(), "deep\nwritten\nhidden\nwritten\ndeep\n");
  },
);

scenario(
  "an empty volume has the mode and owner that it asks for",
  { flavor: "isolated" },
  async ({ script }) => {
    const volume: Omit<Volume, "name"> = { kind: "empty", mode: "2770", uid: 1000, gid: 44 };
    const text = "stat -c '%a %u %g' /data; ls -A /data; echo kept >/data/file";
    await using pod = await script(text, mounted(volume));
    assertPrints(await pod.run(), "2770 1000 44\n");
    assertEquals(await Deno.readTextFile(`${pod.dir}/sharedVolumes/data/file`), "kept\n");
  },
);

/** Prepares a pod whose image has mount points without a volume, and a file in one of them. */
async function unmetPod(stage: Stage, app: SimplePod["app"] = {}): Promise<Pod> {
  const mountPoints = [
    { name: "data", path: "/data" },
    { name: "frozen", path: "/frozen", readOnly: true },
  ];
  const files = { "/data/file": "of the image\n", "/frozen": { dir: true } };
  const text = "ls /data; touch /data/new && echo written; " +
    "touch /frozen/new 2>/dev/null || echo refused; grep -c ' /data ' /proc/self/mounts; true";
  return await stage.script(text, {
    image: await stage.image({ files, app: { mountPoints } }),
    app: { mountPoints, ...app },
  });
}

scenario(
  "a mount point without a volume gets an empty one",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await unmetPod(stage);
    assertPrints(await pod.run(), "written\nrefused\n1\n");
    const kept = `${pod.dir}/sharedVolumes/app-data`;
    assertEquals([...Deno.readDirSync(kept)].map(({ name }) => name), ["new"]);
  },
);

scenario(
  "in an image of docker's, it keeps what is there",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await unmetPod(stage);
    await editJson(`${pod.dir}/appsinfo/app/manifest`, (manifest) => {
      manifest.annotations = [{ name: "appc.io/docker/repository", value: "library/app" }];
    });
    assertPrints(await pod.run(), "file\nwritten\nrefused\n1\n");
  },
);

scenario(
  "a volume is at the mount point of its name and where a mount puts it",
  { flavor: "isolated" },
  async (stage) => {
    const mountPoints = [{ name: "data", path: "/dir", readOnly: true }];
    await using pod = await stage.script(
      "cat /dir/file /a/b/c/file; touch /dir/new /a/b/c/new 2>/dev/null || echo refused; " +
        "stat -c '%a %n' /a/b",
      {
        image: await stage.image({ app: { mountPoints } }),
        app: { mountPoints },
        ...mounted({ kind: "host", source: await makeSource(stage.dir) }, "/a/b/c"),
      },
    );
    assertPrints(await pod.run(), "from the host\nfrom the host\nrefused\n755 /a/b\n");
  },
);

scenario(
  "a mount point of the image's that the app has not is none",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await unmetPod(stage, { mountPoints: [] });
    assertPrints(await pod.run(), "file\nwritten\n0\n");
  },
);

scenario("apps share a volume of the pod", { flavor: "isolated" }, async ({ image, stage0 }) => {
  const tree = await image({});
  const app = (name: string, text: string) => ({
    image: tree,
    name,
    app: { exec: ["/bin/sh", "-c", text] },
    mounts: [{ volume: "data", path: `/${name}` }],
  });
  await using pod = await stage0.prepare({
    apps: [
      app("one", "echo from one >/one/file; mv /one/file /one/done"),
      app("two", "until test -e /two/done; do sleep .02; done; cat /two/done"),
    ],
    volumes: [{ name: "data", kind: "empty" }],
  });
  const { code, stdout } = await pod.run();
  assertEquals([code, /two\[\d+\]: from one\n$/.test(stdout)], [0, true], stdout);
});

scenario(
  "what the host mounts in a recursive volume appears, and goes",
  { flavor: "isolated" },
  async (stage) => {
    const source = `${stage.dir}/source`;
    await Deno.mkdir(`${source}/late`, { recursive: true });
    const text = "echo up; until test -e /data/late/file; do sleep .02; done; echo there; " +
      "while test -e /data/late/file; do sleep .02; done; echo gone";
    await using pod = await stage.script(text, mounted({ kind: "host", source, recursive: true }));
    await using host = await SimulatedHost.open();
    const program = await startUp(pod, 1, { host });
    await must(["mount", "-t", "tmpfs", "tmpfs", `${source}/late`], host);
    await must(["touch", `${source}/late/file`], host);
    await program.prints("there");
    await must(["umount", `${source}/late`], host);
    assertPrints(await program.result, "up\nthere\ngone\n");
  },
);

scenario(
  "what an app mounts in a mount of the host's appears there",
  { flavor: "isolated" },
  async (stage) => {
    const source = `${stage.dir}/source`;
    await Deno.mkdir(source);
    const text = "mkdir /data/inner /other && mount -t tmpfs tmpfs /data/inner && " +
      "mount -t tmpfs tmpfs /other && echo up && sleep 100";
    await using pod = await stage.script(text, mounted({ kind: "host", source, recursive: true }));
    await using host = await SimulatedHost.open();
    await mountTmpfs(source, host);
    await startUp(pod, 1, { host, flags: UNRESTRICTED });
    const paths = (dir: string) => mountsUnder(dir, host.pid).map(({ path }) => path);
    assertEquals(paths(source), [source, `${source}/inner`]);
    assertEquals(paths("/other"), []);
  },
);

scenario("a pod's mounts never reach its host", { flavor: "isolated" }, async ({ dir, script }) => {
  await Deno.mkdir(`${dir}/outer/inner`, { recursive: true });
  await Deno.mkdir(`${dir}/other`);
  await using pod = await script(UP, {
    volumes: [
      { name: "outer", kind: "host", source: `${dir}/outer` },
      { name: "other", kind: "host", source: `${dir}/other` },
    ],
    mounts: [{ volume: "outer", path: "/data" }, { volume: "other", path: "/data/inner" }],
  });
  await using host = await SimulatedHost.open();
  const look = () => readMounts(host.pid).map(({ path, type }) => `${path} ${type}`);
  const before = look();
  const program = await startUp(pod, 1, { host });
  assertEquals(look(), before);
  program.kill("SIGKILL");
  await program.result;
  assertEquals(look(), before);
});

scenario(
  "name resolution is decided as for any pod",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("cat /etc/resolv.conf; echo; tail -n 1 /etc/hosts");
    const result = await pod.run({ flags: { dns: { resolv: "stage0", hosts: "stage0" } } });
    assertPrints(result, "# Generated by rkt run\n\nnameserver 192.0.2.53\n\n192.0.2.7 database\n");
  },
);
