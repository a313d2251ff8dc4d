import { assertEquals, assertThrows } from "@std/assert";
import { ImageManifest, PodManifest } from "./manifest.ts";
import { fieldPath, IMAGE, POD, withField } from "./manifest_testing.ts";
import { parseManifest } from "./parse.ts";

function readPod(manifest: unknown): PodManifest {
  return parseManifest(JSON.stringify(manifest), PodManifest(), "pod");
}

function readImage(manifest: unknown): ImageManifest {
  return parseManifest(JSON.stringify(manifest), ImageManifest(), "image");
}

Deno.test("manifests with every field keep every field", () => {
  assertEquals<unknown>(readImage(IMAGE), IMAGE);
  const sidekick = { ...POD.apps[1], image: { ...POD.apps[1]?.image, labels: [] } };
  const filled = { ...sidekick, mounts: [], annotations: [] };
  assertEquals<unknown>(readPod(POD), withField(POD, ["apps", 1], filled));
});

Deno.test("what is left out is empty, or has its default", () => {
  const image = readImage({ acKind: "ImageManifest", acVersion: "0.8.11", name: "a" });
  assertEquals(
    [image.labels, image.annotations, image.dependencies, image.pathWhitelist],
    [[], [], [], []],
  );
  const pod = readPod({
    acKind: "PodManifest",
    ports: [{ name: "a", podPort: { name: "a", port: 1 } }],
  });
  assertEquals([pod.apps, pod.volumes, pod.isolators, pod.annotations], [[], [], [], []]);
  const podPort = { name: "a", protocol: "", port: 1, count: 1, socketActivated: false };
  assertEquals(pod.ports, [{ name: "a", hostPort: 0, podPort }]);
});

Deno.test("fields of later versions and of others pass, and change nothing", () => {
  const pod = withField(POD, ["apps", 0, "app", "capabilities"], { any: [1] });
  assertEquals(readPod(pod), readPod(POD));
  assertEquals<unknown>(readImage({ ...IMAGE, "example.com": 1 }), IMAGE);
});

/** A field of the pod manifest, a value that it cannot have, and the error. */
const WRONG_IN_POD: [string, unknown, string][] = [
  ["acKind", "ImageManifest", 'expected "PodManifest"'],
  ["acVersion", "0.8", "must be a version"],
  ["apps[0].name", undefined, "expected string, received nothing"],
  ["apps[1].name", "server", 'duplicate app "server"'],
  ["apps[0].image", "example.com/server", "expected object, received string"],
  ["apps[0].image.id", "sha256-06c7", 'must be "sha512-"'],
  ["apps[0].image.name", "Server", "must be lower-case"],
  ["apps[0].image.labels[2].name", "os", 'duplicate label "os"'],
  ["apps[0].readOnlyRootFS", "true", "expected boolean, received string"],
  ["apps[0].mounts[0].volume", undefined, "expected string"],
  ["apps[0].mounts[0].appVolume.kind", "tmpfs", "not one of the forms"],
  ["apps[0].mounts[0].appVolume.source", "/x", "is for host volumes"],
  ["apps[0].annotations[1].name", "created", 'duplicate annotation "created"'],
  ["apps[0].app.user", "", "must not be empty"],
  ["apps[0].app.ports[0].port", 0, "must be a whole number from 1 to 65535"],
  ["apps[0].app.ports[0].port", 65536, "must be a whole number"],
  ["apps[0].app.ports[0].name", "Web", "must be lower-case"],
  ["apps[0].app.ports[0].socketActivated", 1, "expected boolean, received number"],
  ["apps[0].app.ports[0].protocol", 6, "expected string, received number"],
  ["apps[0].app.eventHandlers[0].name", "post-start", 'expected "pre-start" or "post-stop"'],
  ["apps[0].app.eventHandlers[1].name", "pre-start", 'duplicate event handler "pre-start"'],
  ["apps[0].app.mountPoints[0].name", "", "must be lower-case"],
  ["apps[0].app.isolators[0].name", undefined, "expected string"],
  ["apps[0].app.userLabels", [], "expected object"],
  ["apps[0].app.userLabels.tier", 1, "expected string"],
  ["apps[0].app.userAnnotations", "x", "expected object"],
  ["volumes[0].source", undefined, "expected string"],
  ["volumes[0].mode", "0755", "is for empty volumes"],
  ["volumes[0].uid", 0, "is for empty volumes"],
  ["volumes[0].gid", 0, "is for empty volumes"],
  ["volumes[1].uid", -1, "must be a whole number"],
  ["annotations[0].value", "yesterday", "must be a date"],
  ["annotations[1].value", "example.com", "must be an HTTP or HTTPS URL"],
  ["annotations[2].value", "ftp://example.com", "must be an HTTP or HTTPS URL"],
  ["ports[0].name", undefined, "expected string"],
  ["ports[0].hostPort", 65536, "must be a whole number from 0 to 65535"],
  ["ports[0].hostIP", "localhost", "must be an IPv4 or IPv6 address"],
  ["ports[0].podPort.port", "80", "expected number, received string"],
  ["userAnnotations.note", false, "expected string"],
  ["userLabels", 1, "expected object"],
];

for (const [field, value, message] of WRONG_IN_POD) {
  Deno.test(`a pod manifest whose ${field} is ${JSON.stringify(value)} is refused`, () => {
    const manifest = withField(POD, fieldPath(field), value);
    assertThrows(() => readPod(manifest), Error, `pod: ${field}: ${message}`);
  });
}

/** A field of the image manifest, a value that it cannot have, and the error. */
const WRONG_IN_IMAGE: [string, unknown, string][] = [
  ["acKind", undefined, 'expected "ImageManifest"'],
  ["acVersion", undefined, "expected string, received nothing"],
  ["acVersion", "0.0.0", "must be a version"],
  ["name", undefined, "expected string"],
  ["name", "Server", "must be lower-case"],
  ["labels[2].name", "name", "an image's name is no label"],
  ["labels[2].name", "Version", "must be lower-case"],
  ["labels[2].value", 1, "expected string, received number"],
  ["labels[0].value", "plan9", '"plan9" is no os that appc knows'],
  ["labels[1].value", "x86_64", '"x86_64" is no arch of linux that appc knows'],
  ["app.group", undefined, "expected string"],
  ["dependencies[0].imageName", undefined, "expected string"],
  ["dependencies[0].imageID", "", 'must be "sha512-"'],
  ["dependencies[0].labels[0].value", "plan9", '"plan9" is no os'],
  ["dependencies[0].size", -1, "must be a whole number of bytes"],
  ["pathWhitelist[0]", 1, "expected string, received number"],
];

for (const [field, value, message] of WRONG_IN_IMAGE) {
  Deno.test(`an image manifest whose ${field} is ${JSON.stringify(value)} is refused`, () => {
    const manifest = withField(IMAGE, fieldPath(field), value);
    assertThrows(() => readImage(manifest), Error, `image: ${field}: ${message}`);
  });
}

Deno.test("ports in a row end at 65535", () => {
  const port = (count: number) => ({ name: "a", port: 65535, count });
  readPod({ acKind: "PodManifest", ports: [{ name: "a", podPort: port(1) }] });
  const manifest = { acKind: "PodManifest", ports: [{ name: "a", podPort: port(2) }] };
  assertThrows(() => readPod(manifest), Error, "pod: ports[0].podPort: ends after port 65535");
});

Deno.test("without an os any arch will do", () => {
  const labels = [{ name: "arch", value: "z80" }];
  assertEquals(readImage({ ...IMAGE, labels }).labels, labels);
});
