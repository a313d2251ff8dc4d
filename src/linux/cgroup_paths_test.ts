import "./libc_testing.ts";
import { assert, assertEquals } from "@std/assert";
import {
  cgroupPathOf,
  isVisible,
  locateCgroups,
  readCgroups,
  showsCgroup,
} from "./cgroup_paths.ts";
import { readMounts } from "./mount_table.ts";
import { parseMountinfo } from "./mountinfo.ts";

const HYBRID = parseMountinfo([
  "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
  "33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
  "34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd",
  "35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate",
].join("\n"));

Deno.test("locateCgroups() finds a process in each hierarchy of a hybrid host", () => {
  const text = [
    "12:memory:/session",
    "11:pids:/not/mounted",
    "10:cpu,cpuacct:/",
    "1:name=systemd:/session",
    "0::/session/one:two",
  ].join("\n");
  assertEquals(locateCgroups(text, HYBRID), {
    v1: [
      { controllers: ["memory"], directory: "/sys/fs/cgroup/memory/session" },
      { controllers: ["cpu", "cpuacct"], directory: "/sys/fs/cgroup/cpu,cpuacct" },
      { controllers: ["name=systemd"], directory: "/sys/fs/cgroup/systemd/session" },
    ],
    v2: [
      "/sys/fs/cgroup/unified",
      "/sys/fs/cgroup/unified/session",
      "/sys/fs/cgroup/unified/session/one:two",
    ],
  });
});

Deno.test("locateCgroups() knows a mount that shows only a part of a hierarchy", () => {
  const mounts = parseMountinfo("5 4 0:9 /machine /cg rw - cgroup cgroup rw,memory\n");
  assertEquals(locateCgroups("4:memory:/machine/a\n", mounts).v1, [
    { controllers: ["memory"], directory: "/cg/a" },
  ]);
  assertEquals(locateCgroups("4:memory:/machines\n", mounts).v1, []);
});

Deno.test("locateCgroups() leaves out what is outside of the cgroup namespace", () => {
  const mounts = parseMountinfo("5 4 0:9 / /cg rw - cgroup2 cgroup2 rw\n");
  assertEquals(locateCgroups("0::/../../elsewhere\n", mounts).v2, []);
  assertEquals(locateCgroups("0::/\n", mounts).v2, ["/cg"]);
});

Deno.test("readCgroups() finds this process in directories that are there", () => {
  const { v1, v2 } = readCgroups();
  for (const { directory } of [...v1, ...v2]) assert(Deno.statSync(directory).isDirectory);
});

Deno.test("locateCgroups() takes a mount that can be used, if there is one", () => {
  const mounts = [
    ...HYBRID,
    ...parseMountinfo("50 1 0:30 / /elsewhere rw - cgroup cgroup rw,memory\n"),
  ];
  const locate = (hidden: string[]) =>
    locateCgroups("4:memory:/a\n", mounts, ({ mountPoint }) => !hidden.includes(mountPoint)).v1
      .map(({ directory }) => directory);
  assertEquals(locate([]), ["/sys/fs/cgroup/memory/a"]);
  assertEquals(locate(["/sys/fs/cgroup/memory"]), ["/elsewhere/a"]);
  assertEquals(locate(["/sys/fs/cgroup/memory", "/elsewhere"]), []);
});

Deno.test("isVisible() knows a mount by its number", () => {
  for (const { id, mountPoint } of readMounts().filter(({ type }) => type === "proc")) {
    assertEquals(isVisible({ id, mountPoint }), true);
    assertEquals(isVisible({ id: id + 1_000_000, mountPoint }), false);
    assertEquals(isVisible({ id, mountPoint: `${mountPoint}/not-there` }), false);
  }
});

Deno.test("showsCgroup() goes by the file system at the path, or above what is gone", () => {
  const { v1, v2 } = readCgroups();
  for (const { directory } of [...v1, ...v2]) {
    const paths = ["", "/gone", "/gone/below", "/../other"].map((path) => `${directory}${path}`);
    assertEquals(paths.map(showsCgroup), [true, true, true, false]);
  }
  assertEquals(["/", "/tmp/gone", "/etc/passwd", "/etc/passwd/gone"].map(showsCgroup), [
    false,
    false,
    false,
    false,
  ]);
});

Deno.test("cgroupPathOf() names this process's cgroups as the kernel does", () => {
  const mounts = readMounts();
  const text = Deno.readTextFileSync("/proc/self/cgroup");
  for (const { controllers, directory } of readCgroups().v1) {
    const line = text.split("\n").find((line) => line.split(":")[1] === controllers.join(","));
    assertEquals(cgroupPathOf(directory, mounts) || "/", line?.split(":")[2]);
  }
  assertEquals(cgroupPathOf("/home", mounts), undefined);
});
