import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { readMounts } from "./mount_table.ts";
import { isWithin, parseMountinfo, reachableMounts } from "./mountinfo.ts";

Deno.test("parseMountinfo() tells shared, slave and private mounts apart", () => {
  const text = [
    "22 1 0:21 / / rw shared:1 - ext4 /dev/vda rw",
    "23 22 0:22 / /slave rw master:1 - tmpfs none rw",
    "24 22 0:23 / /both rw shared:7 master:1 - tmpfs none rw",
    "25 22 0:24 / /private rw - tmpfs none rw",
    "26 22 0:25 / /unbindable rw unbindable - tmpfs none rw",
  ].join("\n");
  assertEquals(parseMountinfo(text).map(({ propagation }) => propagation), [
    "shared",
    "slave",
    "shared",
    "private",
    "private",
  ]);
});

Deno.test("parseMountinfo() reads escaped characters back, also in the root field", () => {
  const [mount] = parseMountinfo("5 1 0:9 /a\\134b /c\\011d\\012e rw - tmpfs none rw\n");
  assertEquals([mount?.root, mount?.mountPoint], ["/a\\b", "/c\td\ne"]);
});

Deno.test("parseMountinfo() gives a file system's own options, not those of the mount", () => {
  const text = [
    "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct",
    "37 31 0:34 / /srv ro,nosuid - tmpfs  rw,size=4k",
  ].join("\n");
  assertEquals(parseMountinfo(text).map(({ superOptions }) => superOptions), [
    "rw,cpu,cpuacct",
    "rw,size=4k",
  ]);
});

Deno.test("parseMountinfo() gives a mount's own options", () => {
  const [mount] = parseMountinfo("37 31 0:34 / /srv ro,nosuid,relatime - tmpfs none rw\n");
  assertEquals(mount?.options, ["ro", "nosuid", "relatime"]);
});

/** The mounts that can be reached from mount 1; each is given as `[id, parentId, mountPoint]`. */
function reached(...mounts: [id: number, parentId: number, mountPoint: string][]): number[] {
  const lines = mounts.map(([id, parent, path]) => `${id} ${parent} 0:1 / ${path} rw - tmpfs t rw`);
  return reachableMounts(parseMountinfo(lines.join("\n")), 1).map(({ id }) => id);
}

Deno.test("reachableMounts() follows mounts on mounts, in whatever order, and no others", () => {
  assertEquals(reached([3, 2, "/a/b/c"], [2, 1, "/a/b"], [1, 9, "/a"], [4, 9, "/a-b"]), [1, 2, 3]);
  assertEquals(reached([1, 9, "/a"], [2, 1, "/a/b"], [3, 1, "/a/bc"]), [1, 2, 3]);
  assertEquals(reached([2, 9, "/a"]), []);
});

Deno.test("reachableMounts() leaves out what lies under another mount", () => {
  assertEquals(reached([1, 9, "/a"], [2, 1, "/a"], [3, 2, "/a/b"]), [2, 3]);
  assertEquals(reached([1, 9, "/a"], [2, 1, "/a/b"], [3, 2, "/a/b"]), [1, 3]);
  assertEquals(reached([1, 9, "/a"], [2, 1, "/a/b/c"], [3, 1, "/a/b"], [4, 2, "/a/b/c/d"]), [1, 3]);
});

Deno.test("reachableMounts() ends at the first mount of all, which is on itself", () => {
  assertEquals(reached([1, 1, "/"], [2, 1, "/a"]), [1, 2]);
});

Deno.test("readMounts() finds the mount of /proc", () => {
  assertEquals(
    readMounts().some(({ mountPoint, type }) => mountPoint === "/proc" && type === "proc"),
    true,
  );
});

Deno.test("isWithin() takes whole path components", () => {
  assertEquals(isWithin("/a/b", "/a"), true);
  assertEquals(isWithin("/a", "/a"), true);
  assertEquals(isWithin("/ab", "/a"), false);
  assertEquals(isWithin("/ab", "/"), true);
});
