import "../linux/libc_testing.ts";
import { assertEquals } from "@std/assert";
import { machineCgroupName, podCgroupName } from "../plan/cgroup/names.ts";
import { pathsIn, saveCgroupPaths } from "./paths_file.ts";

const UUID = "6733c088-a507-4694-aabf-edbe4fc5266f";
const NAMES = [machineCgroupName(UUID), podCgroupName(UUID)];
Deno.test("what run records is what gc finds", () => {
  const before = Deno.cwd();
  const directory = Deno.makeTempDirSync();
  Deno.chdir(directory);
  try {
    const paths = NAMES.map((name) => `/sys/fs/cgroup/machine/${name}`);
    saveCgroupPaths(paths);
    assertEquals(pathsIn(Deno.readTextFileSync(`${directory}/cgroups`), NAMES), paths);
  } finally {
    Deno.chdir(before);
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a record leads to nothing but paths of the pod's names", () => {
  const record = [
    "",
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/system.slice",
    `/sys/fs/cgroup/volo-${crypto.randomUUID()}`,
    `/sys/fs/cgroup/volo-${UUID}/child`,
    `/sys/fs/cgroup/not-volo-${UUID}`,
    `volo-${UUID}`,
  ].join("\n");
  assertEquals(pathsIn(record, NAMES), []);
});
