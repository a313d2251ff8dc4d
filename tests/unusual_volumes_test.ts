/** Tests of volumes that are neither plain files nor plain directories, or have unusual paths. */

import { assertEquals, assertThrows } from "@std/assert";
import { assertCode, assertPrints, assertRefused } from "./expect.ts";
import { mountTmpfs, SimulatedHost } from "./host.ts";
import { readMounts } from "./procfs.ts";
import { EVERY_KERNEL, scenario, type SimplePod } from "./scenario.ts";
import type { Volume } from "./stage0.ts";

function mounted(volume: Omit<Volume, "name" | "kind">, path: string): SimplePod {
  return {
    volumes: [{ name: "data", kind: "host", ...volume }],
    mounts: [{ volume: "data", path }],
  };
}

scenario("a socket can be a volume", async ({ dir, script }) => {
  const source = `${dir}/socket`;
  using _listener = Deno.listen({ transport: "unix", path: source });
  await using pod = await script(
    "test -S /run/app.sock && echo socket",
    mounted({ source }, "/run/app.sock"),
  );
  assertPrints(await pod.run(), "socket\n");
});

scenario("a device can be a volume", async ({ script }) => {
  await using pod = await script(
    "head -c 2 /srv/zero | wc -c",
    mounted({ source: "/dev/zero" }, "/srv/zero"),
  );
  assertPrints(await pod.run(), "2\n");
});

scenario("a file can be a read-only volume", { kernels: EVERY_KERNEL }, async ({ dir, script }) => {
  await Deno.writeTextFile(`${dir}/file`, "kept");
  await using pod = await script(
    "echo new 2>/dev/null >/srv/file || cat /srv/file",
    mounted({ source: `${dir}/file`, readOnly: true }, "/srv/file"),
  );
  assertPrints(await pod.run(), "kept");
});

for (const name of ["with spaces", "tab\tand\nnewline", "back\\slash\\040", "żółw,:=#", "-rf"]) {
  scenario(`a source may be called ${JSON.stringify(name)}`, async ({ dir, script }) => {
    const source = `${dir}/${name}`;
    await using _inner = await mountTmpfs(`${source}/${name}`);
    await Deno.writeTextFile(`${source}/${name}/file`, "found\n");
    await using pod = await script(
      `cat "/srv/$NAME/$NAME/file"; touch "/srv/$NAME/$NAME/new" 2>/dev/null || echo refused`,
      {
        ...mounted({ source, readOnly: true, recursive: true }, `/srv/${name}`),
        app: { environment: [{ name: "NAME", value: name }] },
      },
    );
    assertPrints(await pod.run(), "found\nrefused\n");
  });
}

scenario(
  "the host's whole root can be a volume",
  { kernels: EVERY_KERNEL },
  async ({ dir, script }) => {
    await Deno.writeTextFile(`${dir}/file`, "found\n");
    await using pod = await script(
      `cat /host${dir}/file && test -d /host/proc/self && echo all`,
      mounted({ source: "/", recursive: true, readOnly: true }, "/host"),
    );
    await using host = await SimulatedHost.open();
    const paths = () => readMounts(host.pid).map(({ path }) => path);
    const before = paths();
    assertPrints(await pod.run({ host }), "found\nall\n");
    assertEquals(paths(), before);
  },
);

scenario("a hundred volumes are no problem", async ({ dir, script }) => {
  const names = Array.from({ length: 100 }, (_, i) => `v${i}`);
  await using pod = await script("ls /volumes | wc -l", {
    volumes: names.map((name) => ({ name, kind: "host", source: dir })),
    mounts: names.map((name) => ({ volume: name, path: `/volumes/${name}` })),
  });
  assertPrints(await pod.run(), "100\n");
});

scenario("a target in /dev makes nothing in the host's", async ({ dir, script }) => {
  const path = `/dev/stage1-${crypto.randomUUID()}`;
  try {
    await using pod = await script("true", mounted({ source: dir }, path));
    await pod.run();
    assertThrows(() => Deno.lstatSync(path), Deno.errors.NotFound);
  } finally {
    await Deno.remove(path).catch(() => {});
  }
});

scenario("a volume can replace what every app has", async ({ dir, script }) => {
  await Deno.writeTextFile(`${dir}/file`, "own\n");
  await using pod = await script("cat /tmp/file /dev/shm/file", {
    volumes: [{ name: "data", kind: "host", source: dir }],
    mounts: [{ volume: "data", path: "/tmp" }, { volume: "data", path: "/dev/shm" }],
  });
  await using host = await SimulatedHost.open();
  const paths = () => readMounts(host.pid).map(({ path }) => path);
  const before = paths();
  assertPrints(await pod.run({ host }), "own\nown\n");
  assertEquals(paths(), before);
});

scenario("an empty volume is shared by its two places", async ({ script }) => {
  await using pod = await script("echo x >/one/file; cat /two/file", {
    volumes: [{ name: "data", kind: "empty" }],
    mounts: [{ volume: "data", path: "/one" }, { volume: "data", path: "/two" }],
  });
  assertPrints(await pod.run(), "x\n");
});

scenario("a volume behind a link of another volume stays inside", async ({ dir, script }) => {
  await Deno.mkdir(`${dir}/first`);
  await Deno.mkdir(`${dir}/second`);
  await Deno.symlink("/srv/inside", `${dir}/first/link`);
  await using pod = await script("test -d /srv/inside/deep && echo inside", {
    volumes: [
      { name: "first", kind: "host", source: `${dir}/first` },
      { name: "second", kind: "host", source: `${dir}/second` },
    ],
    mounts: [
      { volume: "first", path: "/first" },
      { volume: "second", path: "/first/link/deep" },
    ],
  });
  assertPrints(await pod.run(), "inside\n");
  assertCode(await pod.gc(), 0);
});

/** Names of what is in a directory, and below it. */
function namesBelow(path: string): string[] {
  return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) => [
    name,
    ...(isDirectory ? namesBelow(`${path}/${name}`).map((below) => `${name}/${below}`) : []),
  ]).toSorted();
}

/** A pod that mounts volumes of the host; each has the name of its directory. */
function mountedAt(dir: string, targets: Record<string, string>): SimplePod {
  const names = Object.keys(targets);
  return {
    volumes: names.map((name) => ({ name, kind: "host", source: `${dir}/${name}` })),
    mounts: names.map((name) => ({ volume: name, path: targets[name]! })),
  };
}

for (const link of ["/second/made", "../second/made", "/image/made", "again"]) {
  scenario(
    `nothing is made in a volume to which another's link leads: ${link}`,
    { flavor: "either" },
    async ({ dir, image, script }) => {
      for (const name of ["first", "second", "third"]) await Deno.mkdir(`${dir}/${name}`);
      await Deno.writeTextFile(`${dir}/file`, "");
      await Deno.symlink(link, `${dir}/first/link`);
      await Deno.symlink("/second", `${dir}/first/again`);
      for (const [inner, target] of [["third", "/first/link/deep"], ["file", "/first/link/file"]]) {
        await using pod = await script("true", {
          image: await image({ files: { "/image": { link: "second" } } }),
          ...mountedAt(dir, { first: "/first", second: "/second", [inner!]: target! }),
        });
        const matter =
          /mounts\[2\]: .* is not there, and would be made where another volume's link/;
        assertRefused(await pod.run(), "run", matter);
        assertEquals(namesBelow(`${dir}/second`), []);
      }
    },
  );
}

scenario(
  "a link of a volume may lead to a target of another volume that is there",
  { flavor: "either" },
  async ({ dir, script }) => {
    for (const name of ["first", "second/made", "third"]) {
      await Deno.mkdir(`${dir}/${name}`, { recursive: true });
    }
    await Deno.writeTextFile(`${dir}/third/file`, "seen\n");
    await Deno.symlink("/second", `${dir}/first/link`);
    const targets = { first: "/first", second: "/second", third: "/first/link/made" };
    await using pod = await script("cat /second/made/file", mountedAt(dir, targets));
    assertPrints(await pod.run(), "seen\n");
  },
);

scenario(
  "a target is made in a volume where links of the image, or of this volume, lead",
  { flavor: "either" },
  async ({ dir, image, script }) => {
    for (const name of ["first", "second", "third", "fourth"]) await Deno.mkdir(`${dir}/${name}`);
    await Deno.symlink("made/by-itself", `${dir}/second/link`);
    await using pod = await script("cd /second && find . -type d -o -type l | sort", {
      image: await image({ files: { "/image": { link: "second/by-image" } } }),
      ...mountedAt(dir, {
        first: "/first",
        second: "/second",
        third: "/image/deep",
        fourth: "/second/link/deep",
      }),
    });
    const directories = ["by-image", "by-image/deep", "made", "made/by-itself"];
    const all = [...directories, "link", "made/by-itself/deep"].toSorted();
    assertPrints(await pod.run(), [".", ...all.map((path) => `./${path}`), ""].join("\n"));
    assertEquals(namesBelow(`${dir}/second`), all);
  },
);
