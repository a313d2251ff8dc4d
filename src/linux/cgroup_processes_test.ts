import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { locateCgroups } from "./cgroup_paths.ts";
import { cgroupKill, freeze, isFreezing, removeCgroup, thaw } from "./cgroup_processes.ts";
import { waitMilliseconds } from "./clock.ts";
import { readMounts } from "./mount_table.ts";
import { readKernelFile } from "./read_write.ts";

Deno.test("cgroupKill() says where it cannot", () => {
  assertEquals(cgroupKill("/sys/fs/cgroup/of-this-name-there-is-none"), false);
});

/** The cgroups of this process that can freeze: version 1's freezer, and version 2. */
function freezable(): string[] {
  const { v1, v2 } = locateCgroups(readKernelFile("/proc/self/cgroup"), readMounts());
  const freezer = v1.filter(({ controllers }) => controllers.includes("freezer"));
  return [...freezer.map(({ directory }) => directory), ...v2.slice(-1)];
}

for (const parent of Deno.uid() === 0 ? freezable() : []) {
  Deno.test(`processes in a cgroup below ${parent} freeze, and go on`, async () => {
    const directory = `${parent}/volo-test-${crypto.randomUUID()}`;
    Deno.mkdirSync(directory);
    const child = new Deno.Command("sh", { args: ["-c", "while :; do :; done"] }).spawn();
    try {
      Deno.writeTextFileSync(`${directory}/cgroup.procs`, `${child.pid}`);
      freeze(directory);
      while (isFreezing(directory)) waitMilliseconds(1);
      const timeUsed = () => readKernelFile(`/proc/${child.pid}/stat`).split(" ")[13];
      const before = timeUsed();
      waitMilliseconds(50);
      assertEquals(timeUsed(), before);
      thaw(directory);
      while (timeUsed() === before) waitMilliseconds(10);
    } finally {
      child.kill("SIGKILL");
      await child.status;
      while (!removeCgroup(directory)) waitMilliseconds(10);
    }
  });
}

Deno.test("what cannot freeze is not waited for", () => {
  const directory = "/sys/fs/cgroup/of-this-name-there-is-none";
  freeze(directory);
  assertEquals(isFreezing(directory), false);
  thaw(directory);
});
