import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { restrictDevices } from "./bpf.ts";
import { makeCgroup } from "./cgroup.ts";
import { removeCgroup } from "./cgroup_processes.ts";
import { readMounts } from "./mount_table.ts";
import { O_DIRECTORY, O_PATH, openFile } from "./open.ts";

/** A directory of version 2 in which cgroups can be made. */
const V2 = readMounts().find(({ type }) => type === "cgroup2")?.mountPoint;
const LOOP_CONTROL = "/dev/loop-control";

/** Whether a process in a cgroup can open a file. */
function canOpen(cgroup: string, path: string): boolean {
  const join = 'echo 0 >"$1/cgroup.procs" && exec 3<"$2"';
  return new Deno.Command("sh", { args: ["-c", join, "sh", cgroup, path], stderr: "null" })
    .outputSync().success;
}

Deno.test({
  name: "the kernel takes a program of rules, and refuses what they do not allow",
  ignore: Deno.uid() !== 0 || V2 === undefined || !canOpen(V2, LOOP_CONTROL),
  fn: () => {
    const name = `volo-test-${crypto.randomUUID()}`;
    using parent = openFile(V2!, O_PATH | O_DIRECTORY);
    using cgroup = makeCgroup(parent, name);
    const directory = `${V2}/${name}`;
    try {
      assertEquals(canOpen(directory, LOOP_CONTROL), true);
      restrictDevices(cgroup, [
        { kind: "character", major: 1, minor: 3, access: "rwm" },
        { kind: "character", major: 1, minor: 5, access: "rw" },
        { kind: "block", major: 8, access: "rw" },
      ]);
      assertEquals(canOpen(directory, "/dev/null"), true);
      assertEquals(canOpen(directory, "/dev/zero"), true);
      assertEquals(canOpen(directory, "/dev/full"), false);
      assertEquals(canOpen(directory, LOOP_CONTROL), false);
    } finally {
      assertEquals(removeCgroup(directory), true);
    }
  },
});
