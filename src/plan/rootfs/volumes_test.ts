import { assertEquals, assertThrows } from "@std/assert";
import {
  type AppMount,
  ImageManifest,
  type MountPoint,
  PodManifest,
  type Volume,
} from "../../appc/manifest.ts";
import { parseManifest } from "../../appc/parse.ts";
import type { PodApp } from "../../stage1/pod.ts";
import { matchVolumes, type MountRules } from "./volumes.ts";

interface Case {
  volumes?: Volume[];
  mounts?: AppMount[];
  /** The mount points of the app as it runs. */
  points?: MountPoint[];
  /** The image's mount points, where they differ. */
  imagePoints?: MountPoint[];
  annotations?: { name: string; value: string }[];
  rules?: MountRules;
}

function match(
  {
    volumes = [],
    mounts = [],
    points = [],
    imagePoints = points,
    annotations = [],
    rules = "strict",
  }: Case,
) {
  const app = (mountPoints: MountPoint[]) => ({
    exec: ["/bin/true"],
    user: "0",
    group: "0",
    mountPoints,
  });
  const image = parseManifest(
    JSON.stringify({
      acKind: "ImageManifest",
      acVersion: "0.8.11",
      name: "example.com/web",
      app: app(imagePoints),
      annotations,
    }),
    ImageManifest(),
    "image",
  );
  const manifest = parseManifest(
    JSON.stringify({
      acKind: "PodManifest",
      acVersion: "0.8.11",
      apps: [{ name: "web", app: app(points), mounts }],
      volumes,
    }),
    PodManifest(),
    "pod",
  );
  const runtime = manifest.apps[0]!;
  const podApp: PodApp = { field: "apps[0]", name: "web", app: runtime.app!, runtime, image };
  return matchVolumes({ manifest, apps: [podApp] }, podApp, rules);
}

const DATA: Volume = { name: "data", kind: "host", source: "/srv/data" };
const OTHER: Volume = { name: "other", kind: "empty" };
const POINT: MountPoint = { name: "data", path: "/data" };

Deno.test("a volume nobody wants is left out", () => {
  assertEquals(match({ volumes: [DATA] }), []);
});

Deno.test("a mount point gets the volume of its name", () => {
  assertEquals(match({ volumes: [DATA], points: [POINT] }), [
    {
      volume: DATA,
      target: "/data",
      readOnly: false,
      isDefault: false,
      field: "apps[0].app.mountPoints[0]",
    },
  ]);
});

Deno.test("a mount at a mount point's path meets it, whatever its volume is called", () => {
  const mounts = [{ volume: "other", path: "/data/" }];
  assertEquals(match({ volumes: [OTHER], points: [POINT], mounts }), [
    {
      volume: OTHER,
      target: "/data/",
      readOnly: false,
      isDefault: false,
      field: "apps[0].mounts[0]",
    },
  ]);
});

Deno.test("a volume may be mounted at several places", () => {
  const mounts = [{ volume: "data", path: "/a" }, { volume: "data", path: "/b" }];
  assertEquals(match({ volumes: [DATA], mounts }).map(({ target }) => target), ["/a", "/b"]);
});

Deno.test("a mount's own volume goes before the pod's of that name", () => {
  const mounts = [{ volume: "data", path: "/a", appVolume: OTHER }];
  assertEquals(match({ volumes: [DATA], mounts })[0]?.volume, OTHER);
});

Deno.test("a mount point's readOnly counts where the volume has none", () => {
  const points = [{ ...POINT, readOnly: true }];
  const readOnly = (volume: Volume) => match({ volumes: [volume], points })[0]?.readOnly;
  assertEquals(readOnly(DATA), true);
  assertEquals(readOnly({ ...DATA, readOnly: false }), false);
  assertEquals(readOnly({ ...DATA, readOnly: true }), true);
});

Deno.test("outer targets come before those inside them", () => {
  const mounts = [{ volume: "data", path: "/a/b/c" }, { volume: "other", path: "//a/./b/" }];
  assertEquals(match({ volumes: [DATA, OTHER], mounts }).map(({ target }) => target), [
    "//a/./b/",
    "/a/b/c",
  ]);
});

Deno.test("a mount point that nothing meets can have an empty volume of the app's own", () => {
  const [mount] = match({ points: [POINT], rules: "lenient" });
  assertEquals(mount?.volume, { kind: "empty", name: "web-data" });
  assertEquals(mount?.target, "/data");
});

Deno.test("the app's mount points go before the image's, which may say something else", () => {
  const [mount, ...others] = match({
    volumes: [DATA],
    points: [{ ...POINT, path: "/elsewhere" }],
    imagePoints: [POINT],
    rules: "lenient",
  });
  assertEquals([mount?.target, others], ["/elsewhere", []]);
});

Deno.test("in an image of docker's it keeps what the image has there", () => {
  const annotations = [{ name: "appc.io/docker/repository", value: "library/web" }];
  const [mount] = match({ points: [POINT], annotations, rules: "lenient" });
  assertEquals(mount?.volume, { kind: "own" });
  const kindAt = (path: string) =>
    match({ points: [{ ...POINT, path }], annotations, rules: "lenient" })[0]?.volume.kind;
  assertEquals(kindAt("/tmp"), "own");
  assertEquals(kindAt("/sys/data"), "empty");
});

Deno.test("a mount point of the image that nothing meets is an error that names it", () => {
  assertThrows(
    () => match({ imagePoints: [POINT] }),
    Error,
    'appsinfo/web/manifest: app.mountPoints[0]: missing volume: mount point "data" (/data)',
  );
});

Deno.test("a mount of a volume that the pod does not have is an error", () => {
  assertThrows(
    () => match({ mounts: [{ volume: "data", path: "/a" }] }),
    Error,
    'apps[0].mounts[0].volume: the pod has no volume "data"',
  );
});

Deno.test("a mount that contradicts the mount point of its name is an error", () => {
  assertThrows(
    () => match({ volumes: [DATA], points: [POINT], mounts: [{ volume: "data", path: "/x" }] }),
    Error,
    "conflicting paths",
  );
});

Deno.test("in a lenient match, a volume is at its mount point and at its mount", () => {
  const mounts = [{ volume: "data", path: "/a/b/c" }];
  const points = [{ ...POINT, readOnly: true }];
  assertEquals(match({ volumes: [DATA], points, mounts, rules: "lenient" }), [
    {
      volume: DATA,
      target: "/data",
      readOnly: true,
      isDefault: false,
      field: "apps[0].app.mountPoints[0]",
    },
    {
      volume: DATA,
      target: "/a/b/c",
      readOnly: true,
      isDefault: false,
      field: "apps[0].mounts[0]",
    },
  ]);
});

Deno.test("the pod's and the image's mount points must not contradict each other", () => {
  const imagePoints = [{ ...POINT, path: "/elsewhere" }];
  assertThrows(
    () => match({ volumes: [DATA], points: [POINT], imagePoints }),
    Error,
    "conflicting",
  );
});

Deno.test("two mounts at one path are an error, however the path is written", () => {
  const mounts = [{ volume: "data", path: "/a/b" }, { volume: "other", path: "a//b/" }];
  assertThrows(() => match({ volumes: [DATA, OTHER], mounts }), Error, "apps[0].mounts[1].path");
});
