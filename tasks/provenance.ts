/**
 * The provenance of an image: its materials and its recipe, as an in-toto Statement v1 with a
 * predicate of SLSA's provenance v1.
 *
 * It names neither time nor person nor directory: the same sources, options and tools have the same
 * provenance. Its signature says who vouches for it.
 *
 * @module
 */

import * as z from "zod/mini";
import { parseManifest } from "../src/appc/parse.ts";
import type { DigestSet } from "./digest.ts";
import type { Material } from "./materials.ts";
import { Recipe } from "./recipe.ts";

const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE = "https://slsa.dev/provenance/v1";

/**
 * The type of build: `externalParameters` are a {@linkcode Recipe}, by which `deno task
 * build-image` makes the subjects from the `resolvedDependencies`.
 */
const BUILD_TYPE = "urn:stage1-volo:build-image:1";

/** The builder. No service builds the images: whoever signs is the one to trust. */
const BUILDER = "urn:stage1-volo:whoever-signs";

const Digests = z.record(z.string(), z.string());

const Statement = z.object({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.array(z.object({ name: z.string(), digest: Digests })),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: z.object({
    buildDefinition: z.object({
      buildType: z.literal(BUILD_TYPE),
      externalParameters: Recipe,
      resolvedDependencies: z.array(z.object({ name: z.string(), digest: z.optional(Digests) })),
    }),
  }),
});

/** The contents of a provenance. */
export interface Provenance {
  /** The digests of the files that were built, by their names. */
  readonly subjects: Readonly<Record<string, DigestSet>>;
  /** The recipe by which they were built. */
  readonly recipe: Recipe;
  /** The materials from which they were built. */
  readonly materials: readonly Material[];
}

/** Formats a provenance as JSON. */
export function formatProvenance({ subjects, recipe, materials }: Provenance): string {
  const statement = {
    _type: STATEMENT_TYPE,
    subject: Object.entries(subjects).map(([name, digest]) => ({ name, digest })),
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: recipe,
        resolvedDependencies: materials,
      },
      runDetails: { builder: { id: BUILDER } },
    },
  };
  return JSON.stringify(statement, null, 2) + "\n";
}

/**
 * Parses a provenance from {@linkcode formatProvenance}.
 *
 * @throws {Error} when the text is not JSON, or not a statement of this kind.
 */
export function parseProvenance(text: string): Provenance {
  const { subject, predicate } = parseManifest(text, Statement, "provenance");
  const { externalParameters: recipe, resolvedDependencies } = predicate.buildDefinition;
  const subjects = Object.fromEntries(subject.map(({ name, digest }) => [name, digest]));
  return { subjects, recipe, materials: resolvedDependencies };
}
