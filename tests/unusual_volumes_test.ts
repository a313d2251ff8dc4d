/** Tests of volumes that are neither plain files nor plain directories, or have unusual paths. */

import { assertEquals, assertThrows } from "@std/assert";
import { assertCode, assertPrints } from "./expect.ts";
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
