/** Tests of the app's own root, and of the kernel's paths in it. */

import { assertPrints, assertRefused, editJson } from "./expect.ts";
import { EVERY_KERNEL, scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

function protect(pod: Pod, value = "true"): Promise<void> {
  return editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.annotations = [{ name: "stage1-volo/protect-kernel-paths", value }];
  });
}

scenario(
  "a read-only root cannot be written to, /tmp and volumes can",
  { kernels: EVERY_KERNEL },
  async ({ script }) => {
    await using pod = await script(
      "touch /new 2>/dev/null || echo refused; touch /tmp/new /data/new && echo written",
      {
        readOnlyRootFS: true,
        volumes: [{ name: "data", kind: "empty" }],
        mounts: [{ volume: "data", path: "/data" }],
      },
    );
    assertPrints(await pod.run(), "refused\nwritten\n");
  },
);

scenario("a root is writable unless the manifest says otherwise", async ({ script }) => {
  await using pod = await script("touch /new && echo written");
  assertPrints(await pod.run(), "written\n");
});

const PROBE = "test -f /proc/kallsyms && echo symbols; " +
  "ls /sys/module | grep -q . && echo modules; " +
  "grep -q ' /proc/sys ro' /proc/self/mountinfo && echo read-only; true";

scenario("the kernel's paths are left alone unless a pod asks", async ({ script }) => {
  await using pod = await script(PROBE);
  assertPrints(await pod.run(), "symbols\nmodules\n");
});

scenario(
  "the kernel's paths are hidden or read-only where a pod asks",
  { kernels: EVERY_KERNEL },
  async ({ script }) => {
    await using pod = await script(PROBE);
    await protect(pod);
    assertPrints(await pod.run(), "read-only\n");
  },
);

scenario("--disable-paths leaves the kernel's paths alone", async ({ script }) => {
  await using pod = await script(PROBE);
  await protect(pod);
  assertPrints(await pod.run({ args: ["--disable-paths", pod.uuid] }), "symbols\nmodules\n");
});

scenario("an annotation that is neither true nor false is refused", async ({ script }) => {
  await using pod = await script("true");
  await protect(pod, "maybe");
  assertRefused(await pod.run(), "run", /annotations\[0\]\.value: "maybe"/);
});
