import { assertEquals, assertThrows } from "@std/assert";
import { ImageManifest, PodManifest } from "../../appc/manifest.ts";
import { IMAGE, POD, withField } from "../../appc/manifest_testing.ts";
import { parseManifest } from "../../appc/parse.ts";
import { tellIgnoredPorts } from "./ports.ts";

const PORT = { name: "web", protocol: "tcp", port: 8080 };

/** The notes on an app's ports, and on the ports that its pod exposes. */
function check(ofApp: unknown[], ofPod: unknown[]): string[] {
  const ofImage = JSON.stringify(withField(IMAGE, ["app", "ports"], ofApp));
  const image = parseManifest(ofImage, ImageManifest(), "image");
  const text = JSON.stringify(withField(POD, ["ports"], ofPod));
  const manifest = parseManifest(text, PodManifest(), "pod");
  const [runtime] = manifest.apps;
  const app = { field: "apps[0]", name: "web", app: image.app!, runtime: runtime!, image };
  return tellIgnoredPorts({ manifest, apps: [app] });
}

Deno.test("an app's own ports need no word", () => {
  assertEquals(check([], []), []);
  assertEquals(check([PORT, { ...PORT, name: "admin", socketActivated: false }], []), []);
});

Deno.test("each port that the pod exposes is told as ignored, at its place", () => {
  const why = "the app is in the host's network, and has its own ports there";
  const twice = [{ name: "web", hostPort: 80 }, { name: "web", hostPort: 81 }];
  assertEquals(check([PORT], twice), [
    `ports[0] (web): ignored: ${why}`,
    `ports[1] (web): ignored: ${why}`,
  ]);
});

Deno.test("an exposed port that no app has is an error", () => {
  const ports = [{ name: "web" }, { name: "admin", hostPort: 81 }];
  assertThrows(
    () => check([PORT], ports),
    Error,
    'ports[1].name: no app of this pod has a port "admin"',
  );
});

Deno.test("an exposed port that says which port of the pod it is needs no app's", () => {
  const ports = [{ name: "admin", hostPort: 81, podPort: { ...PORT, name: "admin" } }];
  assertEquals(check([], ports).length, 1);
});

Deno.test("a port that the pod exposes and whose socket an app is given is not ignored", () => {
  const ports = [PORT, { ...PORT, name: "admin", socketActivated: true }];
  assertEquals(check(ports, [{ name: "admin" }]), []);
  assertEquals(check(ports, [{ name: "admin" }, { name: "web" }]).length, 1);
});
