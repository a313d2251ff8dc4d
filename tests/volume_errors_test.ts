/** Tests of volumes that cannot be mounted as asked: `run` says so and leaves nothing. */

import { assertEquals } from "@std/assert";
import { assertRefused } from "./expect.ts";
import type { ImageOptions } from "./images.ts";
import { scenario, type SimplePod } from "./scenario.ts";
import type { Volume, VolumeMount } from "./stage0.ts";

/** A mistake, and the error for it. */
interface Mistake {
  what: string;
  volumes?: Volume[];
  mounts?: VolumeMount[];
  image?: ImageOptions;
  matter: RegExp;
}

const ETC: Volume = { name: "data", kind: "host", source: "/etc" };
const FILE: Volume = { name: "data", kind: "host", source: "/etc/passwd" };
const POINT = { app: { mountPoints: [{ name: "data", path: "/srv/data" }] } };

const mistakes: Mistake[] = [
  {
    what: "a mount point of the image without a volume",
    image: POINT,
    matter: /missing volume.*data/,
  },
  {
    what: "a mount of a volume that does not exist",
    mounts: [{ volume: "other", path: "/data" }],
    matter: /apps\[0\]\.mounts\[0\].*other/,
  },
  {
    what: "a mount and a mount point that contradict each other",
    image: POINT,
    volumes: [ETC],
    mounts: [{ volume: "data", path: "/elsewhere" }],
    matter: /conflict.*data/,
  },
  {
    what: "two mounts in one place",
    volumes: [ETC, { ...ETC, name: "more" }],
    mounts: [{ volume: "data", path: "/data" }, { volume: "more", path: "/data/" }],
    matter: /duplicate mount.*\/data/,
  },
  {
    what: "two volumes of one name",
    volumes: [ETC, FILE],
    mounts: [{ volume: "data", path: "/data" }],
    matter: /volumes\[1\]\.name: duplicate volume name "data"/,
  },
  {
    what: "a source that does not exist",
    volumes: [{ ...ETC, source: "/no/such/source" }],
    mounts: [{ volume: "data", path: "/data" }],
    matter: /mounts\[0\]: .*: Failed to stat \/no\/such\/source: No such file or directory$/m,
  },
  {
    what: "a directory over a file",
    volumes: [ETC],
    mounts: [{ volume: "data", path: "/etc/passwd" }],
    matter: /\/etc\/passwd.*directory|directory.*\/etc\/passwd/,
  },
  {
    what: "a file over a directory",
    volumes: [FILE],
    mounts: [{ volume: "data", path: "/home/volo" }],
    matter: /\/home\/volo.*directory|directory.*\/home\/volo/,
  },
  {
    what: "a target below a file",
    volumes: [ETC],
    mounts: [{ volume: "data", path: "/etc/passwd/below" }],
    matter: /\/etc\/passwd/,
  },
  {
    what: "a target behind a loop of links",
    image: { files: { "/one": { link: "/two" }, "/two": { link: "/one" } } },
    volumes: [ETC],
    mounts: [{ volume: "data", path: "/one" }],
    matter: /\/one/,
  },
  {
    what: "an empty target",
    volumes: [ETC],
    mounts: [{ volume: "data", path: "" }],
    matter: /apps\[0\]\.mounts\[0\]\.path/,
  },
  {
    what: "a relative source",
    volumes: [{ ...ETC, source: "etc" }],
    mounts: [{ volume: "data", path: "/data" }],
    matter: /volumes\[0\]\.source/,
  },
  {
    what: "an unknown kind of volume",
    volumes: [{ ...ETC, kind: "cloud" as "host" }],
    matter: /volumes\[0\]\.kind/,
  },
  {
    what: "the root as target",
    volumes: [ETC],
    mounts: [{ volume: "data", path: "/" }],
    matter: /apps\[0\]\.mounts\[0\]/,
  },
];

for (const { what, image, matter, ...volumes } of mistakes) {
  scenario(`run refuses ${what}`, async (stage) => {
    const options: SimplePod = { ...volumes, image: await stage.image(image ?? {}) };
    await using pod = await stage.script("echo started", options);
    const result = await pod.run();
    assertRefused(result, "run", matter);
    assertEquals(result.stdout, "");
    assertEquals(pod.foreignMounts(), []);
  });
}
