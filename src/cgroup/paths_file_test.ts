import "../linux/libc_testing.ts";
import { assertEquals } from "@std/assert";
import { parseMountinfo } from "../linux/mountinfo.ts";
import { O_RDONLY, openFile } from "../linux/open.ts";
import { machineCgroupName, podCgroupName } from "../plan/cgroup/names.ts";
import { cgroupsIn, saveCgroupPaths } from "./paths_file.ts";

const UUID = "6733c088-a507-4694-aabf-edbe4fc5266f";
const NAMES = [machineCgroupName(UUID), podCgroupName(UUID)];
const MOUNTS = parseMountinfo([
  "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
  "2 1 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
].join("\n"));

Deno.test("what run records is what gc finds", () => {
  const directory = Deno.makeTempDirSync();
  try {
    using fd = openFile(directory, O_RDONLY);
    const paths = NAMES.map((name) => `/sys/fs/cgroup/machine/${name}`);
    saveCgroupPaths(fd, paths);
    assertEquals(cgroupsIn(Deno.readTextFileSync(`${directory}/cgroups`), NAMES, MOUNTS), paths);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a record leads to nothing but cgroups of the pod's names", () => {
  const record = [
    "",
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/system.slice",
    `/sys/fs/cgroup/volo-${crypto.randomUUID()}`,
    `/sys/fs/cgroup/volo-${UUID}/child`,
    `/sys/fs/cgroup/not-volo-${UUID}`,
    `/sys/fs/cgroup/../../../home/volo-${UUID}`,
    `/home/volo-${UUID}`,
    `volo-${UUID}`,
  ].join("\n");
  assertEquals(cgroupsIn(record, NAMES, MOUNTS), []);
});
