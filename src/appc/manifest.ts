/**
 * The schemas of the appc manifests: appc spec 0.8.11.
 *
 * Shapes are declared once, as schemas; the types are inferred from them. They accept what the
 * spec's own validator accepts, except manifests with which no app can be started: names, paths and
 * ports that are missing or that the kernel cannot have. Keys are case-sensitive, and null is the
 * same as a missing field.
 *
 * @module
 */

export * from "./app.ts";
export * from "./image_manifest.ts";
export * from "./pod_manifest.ts";
