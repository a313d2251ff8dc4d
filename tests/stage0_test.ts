/** Tests of the stand-in for stage0: what it writes to disk is what rkt would. */

import { assertEquals } from "@std/assert";
import { assertPrints } from "./expect.ts";
import { must } from "./host.ts";
import { packImage } from "./images.ts";
import { scenario } from "./scenario.ts";
import { spellFlags } from "./stage0/flags.ts";

scenario("a pod directory has what rkt puts there", async ({ stage0, script }) => {
  await using pod = await script("true");
  const names = [...Deno.readDirSync(pod.dir)].map(({ name }) => name).sort();
  const always = ["appsinfo", "pod", "pod-created", "pod.lck", "stage1", "stage1TreeStoreID"];
  const overlay = stage0.overlay ? ["overlay", "overlay-prepared"] : [];
  assertEquals(names, [...always, ...overlay].sort());
  assertEquals(Deno.readLinkSync(`${pod.appRootfs()}/etc/mtab`), "../proc/self/mounts");
});

for (const compression of ["--gzip", "--xz", "--bzip2"]) {
  scenario(`an app can come from an ACI packed with ${compression}`, async (stage) => {
    const image = await stage.image({ app: { exec: ["/bin/echo", "packed"] } });
    const aci = await packImage(image, `${stage.dir}/app.aci`, compression);
    await using pod = await stage.stage0.prepare({ apps: [{ image: aci }] });
    assertPrints(await pod.run(), "packed\n");
  });
}

scenario("an app keeps its image's owners and modes", async ({ image, script }) => {
  const files = { "/opt/tool": { text: "", mode: 0o4750, uid: 12, gid: 34 } };
  await using pod = await script("stat -c '%a %u %g' /opt/tool", { image: await image({ files }) });
  assertPrints(await pod.run(), "4750 12 34\n");
});

scenario("what an app writes stays in its pod", async ({ script }) => {
  await using first = await script("echo x >/written");
  await using second = await script("test -e /written && echo leaked || echo clean");
  assertPrints(await first.run(), "");
  assertPrints(await second.run(), "clean\n");
});

scenario("nobody else can lock a pod that runs", async ({ script }) => {
  await using pod = await script("echo up; sleep 100");
  const program = await pod.start();
  await program.prints("up");
  const tried = must(["flock", "--nonblock", "--exclusive", pod.dir, "true"]);
  assertEquals(await tried.then(() => "locked", () => "refused"), "refused");
});

Deno.test("flags are spelled as rkt spells them", () => {
  const flags = {
    net: "default",
    debug: true,
    hostname: "db",
    dns: { resolv: "stage0" },
    ipc: "parent",
  } as const;
  assertEquals(spellFlags({ net: "default" }, 6), ["--net=default", "--local-config=/etc/rkt"]);
  assertEquals(spellFlags(flags, 6), [
    "--debug",
    "--net=default",
    "--local-config=/etc/rkt",
    "--hostname=db",
    "--dns-conf-mode=resolv=stage0,hosts=default",
    "--ipc=parent",
  ]);
});

Deno.test("flags that the interface does not have yet are left out", () => {
  const flags = { hostname: "db", dns: { hosts: "host" }, disable: ["paths"] } as const;
  assertEquals(
    spellFlags({ net: "default", ...flags, disable: [...flags.disable] }, 1),
    ["--net=default", "--local-config=/etc/rkt"],
  );
});
