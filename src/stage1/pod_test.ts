import { assertEquals, assertThrows } from "@std/assert";
import { loadPod, loadPodOf } from "./pod.ts";

const APP = { exec: ["/bin/true"], user: "0", group: "0" };
const IMAGE = { acKind: "ImageManifest", acVersion: "0.8.11", name: "example.com/a", app: APP };

function withPod(pod: unknown, image: unknown, act: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "volo-pod-" });
  try {
    Deno.mkdirSync(`${directory}/appsinfo/a`, { recursive: true });
    Deno.writeTextFileSync(`${directory}/pod`, JSON.stringify(pod));
    if (image) Deno.writeTextFileSync(`${directory}/appsinfo/a/manifest`, JSON.stringify(image));
    act(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("an app without a description of its own has its image's", () => {
  withPod({ acKind: "PodManifest", apps: [{ name: "a" }] }, IMAGE, (directory) => {
    assertEquals(loadPod(directory).apps[0]?.app.exec, ["/bin/true"]);
  });
});

Deno.test("the pod's description of an app replaces its image's", () => {
  const app = { ...APP, exec: ["/bin/false"] };
  withPod({ acKind: "PodManifest", apps: [{ name: "a", app }] }, IMAGE, (directory) => {
    assertEquals(loadPod(directory).apps[0]?.app.exec, ["/bin/false"]);
  });
});

Deno.test("an app that neither describes is refused", () => {
  const image = { acKind: "ImageManifest", acVersion: "0.8.11", name: "example.com/a" };
  withPod({ acKind: "PodManifest", apps: [{ name: "a" }] }, image, (directory) => {
    assertThrows(() => loadPod(directory), Error, "apps[0].app: missing");
  });
});

Deno.test("a missing image manifest is named", () => {
  withPod({ acKind: "PodManifest", apps: [{ name: "a" }] }, undefined, (directory) => {
    assertThrows(() => loadPod(directory), Error, "appsinfo/a/manifest: cannot be read");
  });
});

Deno.test("a manifest that is too large is refused before it is read", () => {
  const pod = { acKind: "PodManifest", apps: [], padding: "x".repeat(5_000_000) };
  withPod(pod, undefined, (directory) => {
    assertThrows(() => loadPod(directory), Error, "more than a manifest may have");
  });
});

Deno.test("of one app, no other's image manifest is read", () => {
  const pod = { acKind: "PodManifest", apps: [{ name: "gone" }, { name: "a" }] };
  withPod(pod, IMAGE, (directory) => {
    const { apps, manifest } = loadPodOf("a", directory);
    assertEquals(apps.map(({ name, field }) => [name, field]), [["a", "apps[1]"]]);
    assertEquals(manifest.apps.length, 2);
    assertEquals(loadPodOf("b", directory).apps, []);
    assertThrows(() => loadPodOf("gone", directory), Error, "appsinfo/gone/manifest");
  });
});
