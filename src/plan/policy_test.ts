import { assertEquals, assertThrows } from "@std/assert";
import { PodManifest } from "../appc/manifest.ts";
import { POD, withField } from "../appc/manifest_testing.ts";
import { parseManifest } from "../appc/parse.ts";
import { POLICY_ANNOTATIONS, readPolicy } from "./policy.ts";

const NONE = { maskedPaths: undefined, followVolumeLinks: undefined };

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

for (const [key, name] of Object.entries(POLICY_ANNOTATIONS)) {
  Deno.test(`${name} is asked for with true, at its place, and not with false`, () => {
    const other = { name: "created", value: "2020-02-29T12:00:00Z" };
    assertEquals(policyOf(other, { name, value: "true" }), { ...NONE, [key]: "annotations[1]" });
    assertEquals(policyOf(other, { name, value: "false" }), NONE);
  });

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
