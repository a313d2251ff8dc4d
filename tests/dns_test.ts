/** Tests of `/etc/resolv.conf` and `/etc/hosts` in the modes of `--dns-conf-mode`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertCode, assertPrints } from "./expect.ts";
import type { FileSpec } from "./images.ts";
import { EVERY_KERNEL, scenario, type Stage } from "./scenario.ts";
import type { DnsModes, Pod } from "./stage0.ts";
import { STAGE0_HOSTS, STAGE0_RESOLV_CONF } from "./stage0/pod.ts";

const HOST_RESOLV_CONF = readIfThere("/etc/resolv.conf");
const HOST_HOSTS = readIfThere("/etc/hosts");

const NEEDS = [
  { what: "/etc/resolv.conf", met: HOST_RESOLV_CONF !== undefined },
  { what: "/etc/hosts", met: HOST_HOSTS !== undefined },
];

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** Composes a pod that prints a file, or says that the file is missing. */
async function printing(stage: Stage, path: string, own: FileSpec): Promise<Pod> {
  const image = await stage.image({ files: { [path]: own } });
  return await stage.script(`cat ${path} 2>/dev/null || echo missing`, { image });
}

const cases: [path: string, dns: DnsModes, own: string | null, expected: string | undefined][] = [
  ["/etc/resolv.conf", { resolv: "host" }, null, HOST_RESOLV_CONF],
  ["/etc/resolv.conf", { resolv: "host" }, "own\n", HOST_RESOLV_CONF],
  ["/etc/resolv.conf", { resolv: "stage0" }, null, STAGE0_RESOLV_CONF],
  ["/etc/resolv.conf", { resolv: "stage0" }, "own\n", STAGE0_RESOLV_CONF],
  ["/etc/resolv.conf", { resolv: "none" }, null, "missing\n"],
  ["/etc/resolv.conf", { resolv: "none" }, "own\n", "own\n"],
  ["/etc/resolv.conf", { resolv: "default" }, null, "missing\n"],
  ["/etc/resolv.conf", { resolv: "default" }, "own\n", "own\n"],
  ["/etc/hosts", { hosts: "host" }, null, HOST_HOSTS],
  ["/etc/hosts", { hosts: "host" }, "own\n", HOST_HOSTS],
  ["/etc/hosts", { hosts: "stage0" }, null, STAGE0_HOSTS],
  ["/etc/hosts", { hosts: "stage0" }, "own\n", STAGE0_HOSTS],
  ["/etc/hosts", { hosts: "default" }, "own\n", "own\n"],
];

for (const [path, dns, own, expected] of cases) {
  const mode = Object.entries(dns).map((pair) => pair.join("=")).join();
  const image = own === null ? "without the file" : "with its own";
  scenario(`${mode} decides ${path} of an image ${image}`, { needs: NEEDS }, async (stage) => {
    await using pod = await printing(stage, path, own);
    assertPrints(await pod.run({ flags: { dns } }), expected!);
  });
}

scenario("hosts=default knows localhost where the image has no file", async (stage) => {
  await using pod = await printing(stage, "/etc/hosts", null);
  const result = await pod.run();
  assertCode(result, 0);
  assertStringIncludes(result.stdout, "127.0.0.1 localhost");
});

scenario(
  "the host's files cannot be changed by the app",
  { kernels: EVERY_KERNEL, needs: NEEDS },
  async ({ script }) => {
    const text =
      "for f in resolv.conf hosts; do echo x 2>/dev/null >>/etc/$f || echo refused; done";
    await using pod = await script(text);
    const dns: DnsModes = { resolv: "host", hosts: "host" };
    assertPrints(await pod.run({ flags: { dns } }), "refused\nrefused\n");
  },
);

for (
  const [path, dns] of [["/etc/resolv.conf", { resolv: "stage0" }], ["/etc/hosts", {}]] as const
) {
  scenario(`a link at ${path} changes nothing of the host's`, async (stage) => {
    const victim = `${stage.dir}/victim`;
    await Deno.writeTextFile(victim, "untouched");
    const link = `../../../../../../../../../../../..${victim}`;
    await using pod = await printing(stage, path, { link });
    assertCode(await pod.run({ flags: { dns } }), 0);
    assertEquals(await Deno.readTextFile(victim), "untouched");
  });
}

scenario("files of an image without /etc are made", async ({ image, script }) => {
  const files = { "/etc/passwd": null, "/etc/group": null };
  await using pod = await script("cat /etc/hosts", { image: await image({ files }) });
  assertPrints(await pod.run({ flags: { dns: { hosts: "stage0" } } }), STAGE0_HOSTS);
});
