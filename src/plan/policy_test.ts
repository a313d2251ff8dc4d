import { assertEquals, assertThrows } from "@std/assert";
import { PodManifest } from "../appc/manifest.ts";
import { POD, withField } from "../appc/manifest_testing.ts";
import { parseManifest } from "../appc/parse.ts";
import { readPolicy } from "./policy.ts";

const MASKS = "stage1-volo/protect-kernel-paths";
const LINKS = "stage1-volo/follow-volume-links";

const NONE = { maskedPaths: undefined, followsVolumeLinks: true };

function policyOf(...annotations: { name: string; value?: string }[]) {
  const text = JSON.stringify(withField(POD, ["annotations"], annotations));
  const pod = {
    directory: ".",
    manifest: parseManifest(text, PodManifest(), "pod"),
    apps: [],
  };
  return readPolicy(pod, "host");
}

Deno.test("a pod without our annotations asks for nothing", () => {
  assertEquals(policyOf(), NONE);
  assertEquals(policyOf({ name: "stage1-volo/other", value: "maybe" }), NONE);
});

Deno.test("masks are asked for with true, at the annotation's place, and not with false", () => {
  const name = MASKS;
  const other = { name: "created", value: "2020-02-29T12:00:00Z" };
  const asked = policyOf(other, { name, value: "true" });
  assertEquals(asked, { ...NONE, maskedPaths: "annotations[1]" });
  assertEquals(policyOf(other, { name, value: "false" }), NONE);
});

Deno.test("links to volumes are followed unless the pod says otherwise", () => {
  const name = LINKS;
  assertEquals(policyOf({ name, value: "true" }), NONE);
  assertEquals(policyOf({ name, value: "false" }), { ...NONE, followsVolumeLinks: false });
});

for (const name of [MASKS, LINKS]) {
  for (const value of ["", "True", "1", "yes", " true", "true\n"]) {
    Deno.test(`${name} cannot be ${JSON.stringify(value)}`, () => {
      const message = `annotations[0].value: ${JSON.stringify(value)} is neither true nor false`;
      assertThrows(() => policyOf({ name, value }), Error, `${message} (${name})`);
    });
  }

  Deno.test(`${name} without a value is neither true nor false`, () => {
    assertThrows(() => policyOf({ name }), Error, `annotations[0].value: "" is neither`);
  });
}
