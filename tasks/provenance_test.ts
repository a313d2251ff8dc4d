import { assertEquals, assertThrows } from "@std/assert";
import { formatProvenance, parseProvenance, type Provenance } from "./provenance.ts";

const PROVENANCE: Provenance = {
  subjects: { "image.aci": { sha256: "ab" }, "image.aci.cdx.json": { sha256: "cd" } },
  recipe: {
    flavor: "host",
    compression: "xz",
    architecture: "amd64",
    runtime: "npm",
    sourceDateEpoch: 0,
  },
  materials: [{ name: "sources", digest: { sha256: "ef" } }, { name: "unknown" }],
};

Deno.test("provenance is a statement of in-toto about a build as SLSA describes it", () => {
  const { _type, subject, predicateType, predicate } = JSON.parse(formatProvenance(PROVENANCE));
  assertEquals(_type, "https://in-toto.io/Statement/v1");
  assertEquals(subject[0], { name: "image.aci", digest: { sha256: "ab" } });
  assertEquals(predicateType, "https://slsa.dev/provenance/v1");
  assertEquals(predicate.buildDefinition.externalParameters, PROVENANCE.recipe);
  assertEquals(predicate.buildDefinition.resolvedDependencies, PROVENANCE.materials);
  assertEquals(typeof predicate.runDetails.builder.id, "string");
});

Deno.test("provenance is read as it was written", () => {
  assertEquals(parseProvenance(formatProvenance(PROVENANCE)), PROVENANCE);
});

Deno.test("provenance of another kind or with other parameters is refused", () => {
  const text = formatProvenance(PROVENANCE);
  const refuse = (changed: string, message: string) =>
    assertThrows(() => parseProvenance(changed), Error, message);
  refuse(text.replace("slsa.dev/provenance/v1", "slsa.dev/provenance/v0.2"), "predicateType");
  refuse(text.replace("build-image:1", "build-image:2"), "buildType");
  refuse(text.replace('"runtime"', '"engine"'), "externalParameters");
  refuse("{", "not JSON");
});
