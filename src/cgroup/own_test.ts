import "../linux/libc_testing.ts";
import { assertEquals } from "@std/assert";
import { podCgroupName } from "../plan/cgroup/names.ts";
import type { CgroupPlan } from "../plan/cgroup/placement.ts";
import { enterOwnCgroups, openOwnCgroups } from "./own.ts";
import { removePodCgroups } from "./remove.ts";

const UUID = "6733c088-a507-4694-aabf-edbe4fc5266f";

/** Two limits of one isolator, one of another. */
function planIn(parent: string): CgroupPlan[] {
  const limits = ["app[0]", "app[0]", "app[1]"].map((isolator, i) => ({
    file: `limit.${i}`,
    value: "1",
    isolator,
  }));
  return [{ parent, path: `${parent}/${podCgroupName(UUID)}`, enable: [], limits }];
}

Deno.test("where no cgroup can be made, each isolator is said not to be enforced, once", () => {
  const parent = Deno.makeTempDirSync();
  try {
    const steps: string[] = [];
    const plan = planIn(parent);
    const notes = enterOwnCgroups(plan, openOwnCgroups(plan), (step) => steps.push(step));
    assertEquals(notes.map((note) => note.split(": ").slice(0, 2).join(": ")), [
      "app[0]: not enforced",
      "app[1]: not enforced",
    ]);
    assertEquals(steps[0], `make cgroup ${parent}/${podCgroupName(UUID)}`);
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
});

Deno.test("a plan without cgroups does nothing", () => {
  assertEquals(enterOwnCgroups([], openOwnCgroups([]), () => {}), []);
});

Deno.test("of a pod that has no cgroups, none is killed or removed", () => {
  const steps: string[] = [];
  removePodCgroups(crypto.randomUUID(), (step) => steps.push(step));
  assertEquals(steps, []);
});
