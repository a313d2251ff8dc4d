/** Tests of names that are not UTF-8: to the kernel, names are bytes. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Flavor } from "../src/stage1/flavor.ts";
import { assertCode, assertPrints, assertQuiet } from "./expect.ts";
import { mountTmpfs } from "./host.ts";
import { shellIn } from "./raw_bytes.ts";
import { EVERY_KERNEL, type Kernel, scenario } from "./scenario.ts";

/** Names of mounts, as printf(1) takes them: Latin-1, UTF-8, and what mountinfo escapes. */
const MOUNTS = ["\\351", "\\303\\251", "new\\nline", "\\357\\273\\277x", "back\\\\slash\\040"];
const MOUNT_NAMES = MOUNTS.map((name) => `"$(printf '${name}')"`).join(" ");

/** Mounts a tmpfs with a file at each of the names. */
async function mountAll(dir: string): Promise<AsyncDisposable> {
  const mount = 'mkdir "$name" && mount -t tmpfs tmpfs "$name" && echo here >"$name/file"';
  await shellIn(dir, `for name in ${MOUNT_NAMES}; do ${mount} || exit; done`);
  return {
    async [Symbol.asyncDispose]() {
      await shellIn(dir, `for name in ${MOUNT_NAMES}; do umount "./$name" || exit; done`);
    },
  };
}

/** The kernels of each flavor: isolated pods need a later one than the oldest. */
const KERNELS: [Flavor, readonly Kernel[]][] = [["host", EVERY_KERNEL], ["isolated", ["now"]]];

for (const [flavor, kernels] of KERNELS) {
  for (const readOnly of [true, false]) {
    scenario(
      `mounts in a recursive volume${readOnly ? " to read" : ""} may have any names`,
      { flavor, kernels },
      async ({ dir, script }) => {
        // What is in a mount of the host's is shared with the pod, if the host's mount can be.
        await using _source = await mountTmpfs(`${dir}/data`);
        await using _mounts = await mountAll(`${dir}/data`);
        const look = "cat file; echo new 2>/dev/null >new || echo refused";
        await using pod = await script(
          `for name in ${MOUNT_NAMES}; do cd "/srv/$name" && ${look}; done`,
          {
            volumes: [{
              name: "data",
              kind: "host",
              source: `${dir}/data`,
              readOnly,
              recursive: true,
            }],
            mounts: [{ volume: "data", path: "/srv" }],
          },
        );
        const expected = readOnly ? "here\nrefused\n" : "here\n";
        assertPrints(await pod.run(), expected.repeat(MOUNTS.length));
      },
    );
  }
}

scenario("gc takes down mounts of any names", { flavor: "either" }, async ({ script }) => {
  await using pod = await script("true");
  assertQuiet(await pod.run());
  await mountAll(pod.dir);
  const result = await pod.gc({ args: ["--debug", pod.uuid] });
  assertCode(result, 0);
  assertStringIncludes(result.stderr, "/\\xe9\n");
  assertEquals(pod.foreignMounts(), []);
});

scenario(
  "a volume goes where a link of the image leads, by any name",
  { flavor: "either" },
  async ({ dir, image, pod: prepare }) => {
    const made = await image({
      app: { exec: ["/bin/sh", "-c", `cat "$(printf '/d\\351r/sub/file')"`] },
    });
    await shellIn(`${made}/rootfs`, `ln -s "$(printf 'd\\351r')" way`);
    await Deno.mkdir(`${dir}/data`);
    await Deno.writeTextFile(`${dir}/data/file`, "found\n");
    await using pod = await prepare({
      image: made,
      volumes: [{ name: "data", kind: "host", source: `${dir}/data` }],
      mounts: [{ volume: "data", path: "/way/sub" }],
    });
    assertPrints(await pod.run(), "found\n");
  },
);

scenario("lists of users may be Latin-1", { flavor: "either" }, async ({ image, pod: prepare }) => {
  const made = await image({ app: { exec: ["/bin/id", "-u"], user: "volo" } });
  const lines =
    "m\\374ller:x:7:7:M\\374ller:/:\\nvolo:x:1234:1:Andr\\351:/home/andr\\351:/bin/sh\\n";
  await shellIn(`${made}/rootfs/etc`, `printf '${lines}' >passwd`);
  await using pod = await prepare({ image: made });
  assertPrints(await pod.run(), "1234\n");
});
