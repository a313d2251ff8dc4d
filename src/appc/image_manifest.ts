/**
 * The schema of the image manifest: appc spec 0.8.11, `spec/aci.md`.
 *
 * @module
 */

import * as z from "zod/mini";
import { App } from "./app.ts";
import { Hash, SemVer } from "./formats.ts";
import { Annotations, Labels } from "./labels.ts";
import { listOf } from "./lists.ts";
import { ACIdentifier, wholeNumber } from "./names.ts";
import { type Checked, schema } from "./schema.ts";

/** In bytes. */
const Size = wholeNumber(0, 2 ** 64, "of bytes");

/** An image that another one is built on. */
const Dependency = schema(() =>
  z.object({
    imageName: ACIdentifier(),
    imageID: z.optional(Hash()),
    labels: Labels(),
    size: z.optional(Size()),
  })
);

const Path = schema(() => z.string());

/** The manifest of an app's image, or of stage1's own. */
export const ImageManifest = schema(() =>
  z.object({
    acKind: z.literal("ImageManifest"),
    acVersion: SemVer(),
    name: ACIdentifier(),
    labels: Labels(),
    app: z.optional(App()),
    annotations: Annotations(),
    dependencies: listOf(Dependency),
    /** The paths that are kept of the image and its dependencies; if empty, all are kept. */
    pathWhitelist: listOf(Path),
  })
);

export type ImageManifest = Checked<typeof ImageManifest>;
