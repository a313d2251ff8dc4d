import "../linux/libc_testing.ts";
import { assertEquals } from "@std/assert";
import type { PodCgroupPlan } from "../plan/cgroup/pod_cgroups.ts";
import { firstProcessCgroups, makeAppCgroups, makePodCgroups, trackedCgroup } from "./tree.ts";

function planIn(parent: string, fields: Partial<PodCgroupPlan> = {}): PodCgroupPlan {
  const limit = (isolator: string) => ({ file: "limit", value: "1", isolator });
  return {
    ...{
      version: 1,
      mountOptions: ["memory"],
      parent,
      path: `${parent}/pod`,
      enable: [],
      moveSelfOut: undefined,
      isTrackingHierarchy: true,
      inherited: [],
    },
    limits: [limit("pod")],
    controllers: [],
    apps: [{
      app: "a",
      path: `${parent}/pod/app-a`,
      limits: [limit("a"), limit("a")],
      devices: undefined,
    }],
    ...fields,
  };
}

Deno.test("a pod whose cgroups cannot be made is told so by isolator, and runs without", () => {
  const steps: string[] = [];
  const pod = makePodCgroups([planIn("/proc/self/fdinfo")], (step) => steps.push(step));
  assertEquals(pod.notes.map((note) => note.split(": ").slice(0, 3).join(": ")), [
    "pod: not enforced: cgroup in /proc/self/fdinfo",
    "a: not enforced: cgroup in /proc/self/fdinfo",
  ]);
  assertEquals(steps.slice(0, 3), [
    "make cgroup /proc/self/fdinfo/pod",
    "  limit = 1",
    'cgroup in /proc/self/fdinfo: mkdirat("pod"): ENOENT, no such file or directory',
  ]);
  assertEquals(firstProcessCgroups(pod), { begin: [], stay: [] });
  assertEquals(makeAppCgroups(pod, () => {}), new Map());
  assertEquals(trackedCgroup(pod), undefined);
});

Deno.test("where devices cannot be fenced, that is said", () => {
  const apps = [{ app: "a", path: "/proc/self/fdinfo/pod/app-a", limits: [], devices: [] }];
  const plan = planIn("/proc/self/fdinfo", { version: 2, limits: [], apps });
  const { notes } = makePodCgroups([plan], () => {});
  assertEquals(notes.map((note) => note.split(": ").slice(0, 2).join(": ")), [
    "devices of the host: not enforced",
  ]);
});
