/** Tests of volumes: what the app sees of them, and where they may be mounted. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertCode, assertPrints, assertRefused, editJson } from "./expect.ts";
import { mountTmpfs, SimulatedHost } from "./host.ts";
import { mountsUnder, readMounts } from "./procfs.ts";
import { EVERY_KERNEL, scenario, type SimplePod } from "./scenario.ts";
import type { Pod, Volume } from "./stage0.ts";

/** Returns a volume and its mount. */
function mounted(volume: Omit<Volume, "name">, path = "/data"): SimplePod {
  return { volumes: [{ name: "data", ...volume }], mounts: [{ volume: "data", path }] };
}

/** Makes a directory of the host with one file. */
async function makeSource(dir: string): Promise<string> {
  await Deno.mkdir(`${dir}/source`);
  await Deno.writeTextFile(`${dir}/source/file`, "from the host\n");
  return `${dir}/source`;
}

/** Mounts a file system inside a source. */
async function mountInside(source: string, options?: string): Promise<AsyncDisposable> {
  const mount = await mountTmpfs(`${source}/inner`, undefined, options);
  await Deno.writeTextFile(`${source}/inner/deep`, "from a mount\n");
  return mount;
}

scenario("a directory of the host is the same inside and outside", async ({ dir, script }) => {
  const source = await makeSource(dir);
  await using pod = await script(
    "cat /data/file; echo from the app >/data/answer",
    mounted({ kind: "host", source }),
  );
  assertPrints(await pod.run(), "from the host\n");
  assertEquals(await Deno.readTextFile(`${source}/answer`), "from the app\n");
});

scenario("a file of the host can be a volume", async ({ dir, script }) => {
  const source = `${await makeSource(dir)}/file`;
  const pod0 = mounted({ kind: "host", source }, "/etc/app/made/config");
  await using pod = await script("cat /etc/app/made/config; echo new >/etc/app/made/config", pod0);
  assertPrints(await pod.run(), "from the host\n");
  assertEquals(await Deno.readTextFile(source), "new\n");
});

scenario(
  "a source behind a link is what the link leads to",
  { flavor: "either" },
  async ({ dir, script }) => {
    await makeSource(dir);
    await Deno.symlink(".", `${dir}/here`);
    await Deno.symlink("source", `${dir}/link`);
    for (const source of [`${dir}/link`, `${dir}/link/`, `${dir}/here/link/../here/source`]) {
      await using pod = await script("cat /data/file", mounted({ kind: "host", source }));
      assertPrints(await pod.run(), "from the host\n");
    }
    await using pod = await script(
      "cat /data",
      mounted({ kind: "host", source: `${dir}/link/file` }),
    );
    const { stderr } = await pod.run({ flags: { debug: true } });
    const real = `${await Deno.realPath(dir)}/source/file`;
    assertStringIncludes(stderr, `mount ${dir}/link/file (which is ${real}) on /data`);
  },
);

scenario(
  "mounts inside a source behind a link come along, and are read-only if it is",
  { kernels: EVERY_KERNEL },
  async ({ dir, script }) => {
    const source = await makeSource(dir);
    await using _inner = await mountInside(source);
    await Deno.symlink(source, `${dir}/link`);
    await using pod = await script(
      "cat /data/inner/deep; touch /data/inner/new 2>/dev/null || echo refused",
      mounted({ kind: "host", source: `${dir}/link`, readOnly: true }),
    );
    await using host = await SimulatedHost.open();
    assertPrints(await pod.run({ host }), "from a mount\nrefused\n");
  },
);

/** Has a pod refuse links on the way to its volumes' sources. */
async function refuseLinks(pod: Pod): Promise<void> {
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.annotations = [{ name: "stage1-volo/follow-volume-links", value: "false" }];
  });
}

scenario(
  "a source behind a link is refused where the pod asks for that, with what the link means",
  { flavor: "either" },
  async ({ dir, script }) => {
    await Deno.symlink(await makeSource(dir), `${dir}/link`);
    for (const source of [`${dir}/link`, `${dir}/link/../link`]) {
      await using pod = await script("true", mounted({ kind: "host", source }));
      await refuseLinks(pod);
      assertRefused(
        await pod.run(),
        "run",
        /mounts\[0\]: source of the volume: .* symbolic link to /,
      );
    }
  },
);

scenario(
  "a source that is one of run's own descriptors or directories is refused",
  { flavor: "either" },
  async ({ dir, script }) => {
    await Deno.symlink("/proc/self/cwd/sharedVolumes", `${dir}/link`);
    for (const source of ["/proc/self/fd/0", "/proc/self/root/etc", `${dir}/link`]) {
      await using pod = await script("true", mounted({ kind: "host", source }));
      assertRefused(await pod.run(), "run", /source of the volume: .*ELOOP/);
    }
  },
);

scenario(
  "a source that others keep exchanging is what it was found to be",
  { flavor: "either" },
  async (stage) => {
    const shared = `${stage.dir}/shared`;
    await Deno.mkdir(`${shared}/sub`, { recursive: true });
    await Deno.writeTextFile(`${shared}/sub/inside`, "");
    const loop = "while mv sub real && ln -s / sub && rm sub && mv real sub; do :; done";
    const exchanger = new Deno.Command("sh", { args: ["-c", loop], cwd: shared }).spawn();
    try {
      for (let i = 0; i < 12; i++) {
        await using pod = await stage.script(
          "ls /data",
          mounted({ kind: "host", source: `${shared}/sub` }),
        );
        await refuseLinks(pod);
        const result = await pod.run();
        if (result.code === 0) assertPrints(result, "inside\n");
        else assertRefused(result, "run", /source of the volume: .*(symbolic link|No such file)/);
      }
    } finally {
      exchanger.kill("SIGKILL");
      await exchanger.status;
    }
  },
);

scenario("one volume can be in two places", async ({ dir, script }) => {
  const source = await makeSource(dir);
  await using pod = await script("cat /one/file /two/file", {
    volumes: [{ name: "data", kind: "host", source }],
    mounts: [{ volume: "data", path: "/one" }, { volume: "data", path: "/two" }],
  });
  assertPrints(await pod.run(), "from the host\nfrom the host\n");
});

scenario("a mount's own volume goes before the pod's of that name", async ({ dir, script }) => {
  const own = await makeSource(dir);
  await using pod = await script("cat /data/file", mounted({ kind: "empty" }));
  await editJson(`${pod.dir}/pod`, ({ apps }) => {
    apps[0].mounts[0].appVolume = { name: "data", kind: "host", source: own };
  });
  assertPrints(await pod.run(), "from the host\n");
});

scenario("a volume inside another does not depend on their order", async ({ dir, script }) => {
  const source = await makeSource(dir);
  await Deno.mkdir(`${source}/inner`);
  await using pod = await script("cat /data/file /data/inner/file", {
    volumes: [{ name: "data", kind: "host", source }],
    mounts: [{ volume: "data", path: "/data/inner" }, { volume: "data", path: "/data" }],
  });
  assertPrints(await pod.run(), "from the host\nfrom the host\n");
});

/** An outer volume, and inside it volumes whose targets it does not have. */
function nested(source: string, inner: string, readOnly: boolean): SimplePod {
  return {
    volumes: [
      { name: "outer", kind: "host", source, readOnly },
      { name: "inner", kind: "host", source: inner },
      { name: "file", kind: "host", source: `${inner}/file` },
    ],
    mounts: [
      { volume: "outer", path: "/data" },
      { volume: "inner", path: "/data/made/dir" },
      { volume: "file", path: "/data/made/file" },
    ],
  };
}

scenario(
  "a target inside a volume is made there if the app may write to it",
  { flavor: "either" },
  async ({ dir, script }) => {
    const inner = await makeSource(dir);
    const outer = `${dir}/outer`;
    await Deno.mkdir(outer);
    {
      await using pod = await script("true", nested(outer, inner, true));
      const refused = /mounts\[1\]: \/data\/made\/dir is not there, and would have to be made on /;
      assertRefused(await pod.run(), "run", refused);
      assertEquals([...Deno.readDirSync(outer)], []);
    }
    await using pod = await script(
      "cat /data/made/dir/file /data/made/file",
      nested(outer, inner, false),
    );
    assertPrints(await pod.run(), "from the host\nfrom the host\n");
    const made = [`${outer}/made`, `${outer}/made/dir`].map((path) => Deno.statSync(path));
    assertEquals(made.map(({ uid, mode }) => [uid, mode! & 0o777]), [[0, 0o755], [0, 0o755]]);
    assertEquals(Deno.readTextFileSync(`${outer}/made/file`), "");
  },
);

scenario(
  "a target behind a link of a volume is made in the app, not on the host",
  { flavor: "either" },
  async ({ dir, script }) => {
    const inner = await makeSource(dir);
    const outer = `${dir}/outer`;
    await Deno.mkdir(outer);
    await Deno.symlink(`../../../../../../../..${dir}/stolen`, `${outer}/made`);
    await using pod = await script("cat /data/made/dir/file", nested(outer, inner, false));
    assertPrints(await pod.run(), "from the host\n");
    assertEquals([...Deno.readDirSync(outer)].map(({ name }) => name), ["made"]);
    assertEquals([...Deno.readDirSync(dir)].some(({ name }) => name === "stolen"), false);
  },
);

scenario("a mount point of the image gets the volume of its name", async (stage) => {
  const source = await makeSource(stage.dir);
  const app = { mountPoints: [{ name: "data", path: "/srv/data" }] };
  await using pod = await stage.script("cat /srv/data/file", {
    image: await stage.image({ app }),
    volumes: [{ name: "data", kind: "host", source }],
  });
  assertPrints(await pod.run(), "from the host\n");
});

scenario("a volume that nothing mounts is no error", async ({ dir, script }) => {
  const source = await makeSource(dir);
  await using pod = await script("echo up", { volumes: [{ name: "idle", kind: "host", source }] });
  assertPrints(await pod.run(), "up\n");
});

const targets: [what: string, path: string, real: string][] = [
  ["an absolute link", "/absolute", "/srv/made"],
  ["a link that climbs", "/climbing", "/srv/climbed"],
  ["a link in the middle", "/absolute/below", "/srv/made/below"],
  ["dots", "/srv/../../../srv/dots", "/srv/dots"],
  ["no slash", "srv/relative", "/srv/relative"],
];

for (const [what, path, real] of targets) {
  scenario(`a target behind ${what} stays inside`, async ({ dir, image, script }) => {
    const files = {
      "/absolute": { link: "/srv/made" },
      "/climbing": { link: "../../../../../../../../../../../srv/climbed" },
    };
    const source = await makeSource(dir);
    await using pod = await script(`cat ${real}/file`, {
      image: await image({ files }),
      ...mounted({ kind: "host", source }, path),
    });
    assertPrints(await pod.run(), "from the host\n");
  });
}

scenario("a target that points at the host creates nothing there", async (stage) => {
  const { dir } = stage;
  const files = { "/data": { link: `../../../../../../../../../../../..${dir}/stolen/target` } };
  const source = await makeSource(dir);
  await using pod = await stage.script("cat /data/file", {
    image: await stage.image({ files }),
    ...mounted({ kind: "host", source }),
  });
  assertPrints(await pod.run(), "from the host\n");
  assertEquals([...Deno.readDirSync(dir)].some(({ name }) => name === "stolen"), false);
});

const TRY_WRITING = "touch /data/new 2>/dev/null && echo written || echo refused";

scenario(
  "a read-only volume cannot be written to",
  { kernels: EVERY_KERNEL },
  async ({ dir, script }) => {
    const source = await makeSource(dir);
    await using pod = await script(TRY_WRITING, mounted({ kind: "host", source, readOnly: true }));
    assertPrints(await pod.run(), "refused\n");
    await Deno.writeTextFile(`${source}/still`, "writable for the host");
  },
);

for (const readOnly of [undefined, false]) {
  const word = readOnly === undefined ? "unless the volume says otherwise" : "by its volume's word";
  scenario(`a mount point is read-only ${word}`, async ({ dir, image, script }) => {
    const source = await makeSource(dir);
    const app = { mountPoints: [{ name: "data", path: "/data", readOnly: true }] };
    const said = readOnly === undefined ? {} : { readOnly };
    await using pod = await script(TRY_WRITING, {
      image: await image({ app }),
      volumes: [{ name: "data", kind: "host", source, ...said }],
    });
    assertPrints(await pod.run(), readOnly === undefined ? "refused\n" : "written\n");
  });
}

const SHOW_INNER = "cat /data/inner/deep 2>/dev/null || echo hidden";

const recursions: [recursive: boolean | undefined, seen: string][] = [
  [true, "from a mount\n"],
  [undefined, "from a mount\n"],
  [false, "hidden\n"],
];

for (const [recursive, seen] of recursions) {
  scenario(
    `mounts inside a volume with recursive=${recursive}`,
    { kernels: EVERY_KERNEL },
    async ({ dir, script }) => {
      const source = await makeSource(dir);
      await using _inner = await mountInside(source);
      const said = recursive === undefined ? {} : { recursive };
      await using pod = await script(SHOW_INNER, mounted({ kind: "host", source, ...said }));
      await using host = await SimulatedHost.open();
      assertPrints(await pod.run({ host }), seen);
    },
  );
}

scenario(
  "a read-only volume is read-only in all its mounts",
  { kernels: EVERY_KERNEL },
  async ({ dir, script }) => {
    const source = await makeSource(dir);
    await using _inner = await mountInside(source, "nosuid,nodev,noexec");
    await using _innermost = await mountTmpfs(`${source}/inner/most`);
    const tries = ["/data", "/data/inner", "/data/inner/most"]
      .map((path) => `touch ${path}/new 2>/dev/null && echo ${path} is writable`);
    const show = "grep ' /data/inner ' /proc/self/mounts | cut -d ' ' -f 4";
    await using pod = await script(
      [...tries, show].join("; "),
      mounted({ kind: "host", source, readOnly: true, recursive: true }),
    );
    const options = (await pod.run()).stdout.trim().split(",");
    assertEquals(options.slice(0, 4), ["ro", "nosuid", "nodev", "noexec"]);
    await Deno.writeTextFile(`${source}/inner/still`, "writable for the host");
  },
);

scenario(
  "the kernel calls every mount of a read-only volume so",
  { kernels: EVERY_KERNEL },
  async ({ dir, script }) => {
    const source = await makeSource(dir);
    await using _inner = await mountInside(source, "nosuid,noatime");
    await using _innermost = await mountTmpfs(`${source}/inner/most`, undefined, "nodev,noexec");
    await using _over = await mountTmpfs(`${source}/inner/most`, undefined, "nosuid,nodiratime");
    await using pod = await script(
      "echo up; sleep 100",
      mounted({ kind: "host", source, readOnly: true }),
    );
    const program = await pod.start();
    await program.prints("up");
    // Of two mounts on one path, only the latter is visible.
    const visible = new Map(mountsUnder("/data", program.pid).map((mount) => [mount.path, mount]));
    assertEquals([...visible.keys()], ["/data", "/data/inner", "/data/inner/most"]);
    for (const { path, options, propagation } of visible.values()) {
      const ofHost = readMounts().findLast((mount) => mount.path === path.replace("/data", source));
      const expected = ofHost?.options.with(0, "ro") ?? ["ro", ...options.slice(1)];
      assertEquals({ path, options, propagation }, { path, options: expected, propagation: [] });
    }
  },
);

scenario("an empty volume has the mode and owner that it asks for", async ({ script }) => {
  const volume: Omit<Volume, "name"> = { kind: "empty", mode: "2770", uid: 1000, gid: 44 };
  const text = "stat -c '%a %u %g' /data; ls -A /data; echo x >/data/mine && cat /data/mine";
  await using pod = await script(text, mounted(volume));
  assertPrints(await pod.run(), "2770 1000 44\nx\n");
});

scenario("an empty volume is root's and readable without further words", async ({ script }) => {
  await using pod = await script("stat -c '%a %u %g' /data", mounted({ kind: "empty" }));
  assertPrints(await pod.run(), "755 0 0\n");
});

scenario("an empty volume lives in the pod directory", async ({ script }) => {
  await using pod = await script("echo kept >/data/file", mounted({ kind: "empty" }));
  assertCode(await pod.run(), 0);
  const kept = await Deno.readTextFile(`${pod.dir}/sharedVolumes/data/file`);
  assertEquals(kept, "kept\n");
});

scenario("an empty volume can be read-only", { kernels: EVERY_KERNEL }, async ({ script }) => {
  await using pod = await script(TRY_WRITING, mounted({ kind: "empty", readOnly: true }));
  assertPrints(await pod.run(), "refused\n");
});
