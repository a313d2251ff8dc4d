/**
 * Tests of volumes whose targets reach each other, or the pod's own mounts, through links: none
 * hides another.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertCode, assertPrints, assertRefused, editJson } from "./expect.ts";
import { SimulatedHost } from "./host.ts";
import type { FileSpec } from "./images.ts";
import { readMounts } from "./procfs.ts";
import { scenario, type SimplePod, type Stage } from "./scenario.ts";
import type { DnsModes, RunFlags } from "./stage0.ts";
import { STAGE0_HOSTS } from "./stage0/pod.ts";

/** Volumes of the host, by their names; each has a file with its name. */
async function volumes(
  { dir }: Stage,
  targets: Record<string, string>,
): Promise<Required<Pick<SimplePod, "volumes" | "mounts">>> {
  const names = Object.keys(targets);
  for (const name of names) {
    await Deno.mkdir(`${dir}/${name}`, { recursive: true });
    await Deno.writeTextFile(`${dir}/${name}/name`, `${name}\n`);
  }
  return {
    volumes: names.map((name) => ({ name, kind: "host", source: `${dir}/${name}` })),
    mounts: names.map((name) => ({ volume: name, path: targets[name]! })),
  };
}

const LINKED: Record<string, FileSpec> = {
  "/opt/app/data": { link: "/data" },
  "/data/sub": { dir: true },
};

scenario(
  "a volume inside another is seen, also where a link leads to the other",
  { flavor: "either" },
  async (stage) => {
    for (
      const targets of [
        { outer: "/opt/app/data", inner: "/data/sub" },
        { inner: "/data/sub", outer: "/opt/app/data" },
        { inner: "/opt/app/data/sub", outer: "/data" },
      ]
    ) {
      const pod0 = await volumes(stage, targets);
      await Deno.mkdir(`${stage.dir}/outer/sub`, { recursive: true });
      await using pod = await stage.script("cat /data/name /data/sub/name /opt/app/data/sub/name", {
        image: await stage.image({ files: LINKED }),
        ...pod0,
      });
      await using host = await SimulatedHost.open();
      const before = readMounts(host.pid).map(({ path }) => path);
      assertPrints(await pod.run({ host }), "outer\ninner\ninner\n");
      assertEquals(readMounts(host.pid).map(({ path }) => path), before);
    }
  },
);

scenario(
  "two volumes at one place are an error that names both, also through a link",
  { flavor: "either" },
  async (stage) => {
    await using pod = await stage.script("echo started", {
      image: await stage.image({ files: LINKED }),
      ...await volumes(stage, { one: "/opt/app/data", two: "/data" }),
    });
    const result = await pod.run();
    const matter = "apps[0].mounts[0]: duplicate mount: /opt/app/data leads to where " +
      "apps[0].mounts[1] is";
    assertRefused(result, "run", new RegExp(matter.replaceAll(/[[\]]/g, "\\$&")));
    assertEquals(result.stdout, "");
    assertEquals(pod.foreignMounts(), []);
  },
);

scenario(
  "a volume over the image's link is what the target inside it leads to",
  { flavor: "either" },
  async (stage) => {
    const pod0 = await volumes(stage, { inner: "/opt/app/data", outer: "/opt", other: "/data" });
    await Deno.mkdir(`${stage.dir}/outer/app/data`, { recursive: true });
    await using pod = await stage.script("cat /opt/name /opt/app/data/name /data/name", {
      image: await stage.image({ files: LINKED }),
      ...pod0,
    });
    assertPrints(await pod.run(), "outer\ninner\nother\n");
  },
);

scenario(
  "a link in a volume that leads to another's place hides nothing",
  { flavor: "either" },
  async (stage) => {
    const pod0 = await volumes(stage, { inner: "/data/sub", linked: "/x/a", outer: "/x/a/link" });
    await Deno.symlink("/data", `${stage.dir}/linked/link`);
    await Deno.mkdir(`${stage.dir}/outer/sub`, { recursive: true });
    await using pod = await stage.script("cat /x/a/name /data/name /data/sub/name", {
      image: await stage.image({ files: LINKED }),
      ...pod0,
    });
    assertPrints(await pod.run(), "linked\nouter\ninner\n");
  },
);

scenario(
  "volumes that cannot all be seen are an error",
  { flavor: "either" },
  async (stage) => {
    const pod0 = await volumes(stage, { one: "/b/a", two: "/b/a/n/b" });
    await using pod = await stage.script("echo started", {
      image: await stage.image({ files: { "/b/a/n": { link: "/" } } }),
      ...pod0,
    });
    const result = await pod.run();
    assertRefused(result, "run", /lead through each other: .*mounts\[0\].*mounts\[1\]/);
    assertEquals(pod.foreignMounts(), []);
  },
);

scenario(
  "a link to one of the kernel's file systems is no place for a volume",
  { flavor: "either" },
  async (stage) => {
    for (const link of ["/proc", "dev/../sys", "/dev"]) {
      await using pod = await stage.script("echo started", {
        image: await stage.image({ files: { "/data": { link } } }),
        ...await volumes(stage, { one: "/data" }),
      });
      const result = await pod.run();
      assertRefused(result, "run", /mounts\[0\]: \/data leads to \/(dev|proc|sys), which is the /);
    }
  },
);

scenario(
  "what an image of docker's keeps gives way to a volume that a link leads to",
  { flavor: "isolated" },
  async (stage) => {
    const mountPoints = [{ name: "kept", path: "/opt/app/data" }];
    await using pod = await stage.script("cat /data/name /opt/app/data/name", {
      image: await stage.image({ files: LINKED, app: { mountPoints } }),
      app: { mountPoints },
      ...await volumes(stage, { one: "/data" }),
    });
    await editJson(`${pod.dir}/appsinfo/app/manifest`, (manifest) => {
      manifest.annotations = [{ name: "appc.io/docker/repository", value: "library/app" }];
    });
    assertPrints(await pod.run(), "one\none\n");
  },
);

const DNS: [dns: DnsModes, file: string][] = [
  [{ resolv: "stage0" }, "resolv.conf"],
  [{ resolv: "host" }, "resolv.conf"],
  [{ hosts: "stage0" }, "hosts"],
  [{ hosts: "host" }, "hosts"],
];

for (const [dns, file] of DNS) {
  const [mode] = Object.entries(dns).map((pair) => pair.join("="));
  scenario(`a volume at /etc/${file} goes before ${mode}`, { flavor: "either" }, async (stage) => {
    const source = `${stage.dir}/own`;
    await Deno.writeTextFile(source, "the user's\n");
    for (const path of [`/etc/${file}`, `/config/${file}`]) {
      await using pod = await stage.script(`cat /etc/${file}`, {
        image: await stage.image({ files: { "/config": { link: "etc" } } }),
        volumes: [{ name: "own", kind: "host", source }],
        mounts: [{ volume: "own", path }],
      });
      const flags: RunFlags = { dns };
      const { code, stdout, stderr } = await pod.run({ flags });
      assertEquals({ code, stdout }, { code: 0, stdout: "the user's\n" });
      const note = `run: --dns-conf-mode: ${mode}: ignored: apps[0].mounts[0] is at /etc/${file}\n`;
      assertEquals(stderr.split("\n").filter((line) => `${line}\n` === note).length, 1, stderr);
    }
  });
}

scenario(
  "a file of name resolution is there in a volume at /etc",
  { flavor: "either" },
  async (stage) => {
    const pod0 = await volumes(stage, { etc: "/etc" });
    await Deno.writeTextFile(`${stage.dir}/etc/hosts`, "");
    await Deno.writeTextFile(`${stage.dir}/etc/passwd`, "root:x:0:0::/:/bin/sh\n");
    await using pod = await stage.script("cat /etc/hosts /etc/name", pod0);
    const result = await pod.run({ flags: { dns: { hosts: "stage0" } } });
    assertCode(result, 0);
    assertStringIncludes(result.stdout, `${STAGE0_HOSTS}etc\n`);
    assertEquals(await Deno.readTextFile(`${stage.dir}/etc/hosts`), "");
  },
);
