import { assertEquals, assertThrows } from "@std/assert";
import type { Pod } from "../stage1/pod.ts";
import {
  notesOnKubernetesLogs,
  notesOnKubernetesPath,
  planKubernetesDirectory,
  planKubernetesLog,
} from "./kubernetes_log.ts";
import { composePod } from "./plan_testing.ts";
import type { StdioPlan } from "./stdio.ts";

const LOGGED: StdioPlan = { stdin: "null", stdout: "log", stderr: "log" };

/** A pod with these of rkt's annotations, and its only app with a path. */
function podWith(ofPod: Record<string, string>, path?: string): Pod {
  const named = (settings: Record<string, string | undefined>) =>
    Object.entries(settings).filter(([, value]) => value !== undefined)
      .map(([name, value]) => ({ name: `coreos.com/rkt/experiment/${name}`, value: value! }));
  const pod = composePod({});
  const apps = pod.apps.map((app) => ({
    ...app,
    runtime: { ...app.runtime, annotations: named({ "kubernetes-log-path": path }) },
  }));
  return { apps, manifest: { ...pod.manifest, annotations: named(ofPod) } };
}

const KEPT = { logmode: "k8s-plain", "kubernetes-log-dir": "/logs" };

const pathOf = (pod: Pod, stdio = LOGGED) => planKubernetesLog(pod, pod.apps[0]!, stdio)?.path;

Deno.test("a pod's directory and its app's path are known by what names them", () => {
  const pod = podWith(KEPT, "sub/app..log");
  assertEquals(planKubernetesDirectory(pod), {
    path: "/logs",
    field: "annotations[1] (coreos.com/rkt/experiment/kubernetes-log-dir)",
  });
  assertEquals(planKubernetesLog(pod, pod.apps[0]!, LOGGED), {
    path: "sub/app..log",
    field: "apps[0].annotations[0] (coreos.com/rkt/experiment/kubernetes-log-path)",
  });
  assertEquals(notesOnKubernetesLogs(pod, true), []);
});

Deno.test("without the log mode, neither is read, and each is noted", () => {
  const pod = podWith({ "kubernetes-log-dir": "logs" }, "../app.log");
  assertEquals(planKubernetesDirectory(pod), null);
  assertEquals(pathOf(pod), undefined);
  assertEquals(notesOnKubernetesLogs(pod, true).length, 2);
  assertEquals(notesOnKubernetesPath(pod, pod.apps[0]!, true).length, 1);
});

Deno.test("an app needs a path if one of its streams passes by run", () => {
  const pod = podWith(KEPT);
  for (const stdout of ["log", "tty"] as const) {
    const act = () => pathOf(pod, { stdin: "null", stdout, stderr: "null" });
    assertThrows(act, Error, "apps[0].annotations: coreos.com/rkt/experiment/kubernetes-log-path ");
  }
  for (const target of ["null", "caller"] as const) {
    assertEquals(pathOf(pod, { stdin: "null", stdout: target, stderr: target }), undefined);
  }
});

for (const path of ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b"]) {
  Deno.test(`${JSON.stringify(path)} is no path of an app's`, () => {
    assertThrows(() => pathOf(podWith(KEPT, path)), Error, "is not a path below ");
  });
}
