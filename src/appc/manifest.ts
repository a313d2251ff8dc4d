/**
 * The appc manifests: appc spec 0.8.11.
 *
 * Shapes are declared once, as schemas; the types are inferred from them. They take what the spec's own
 * validator takes, except what no app can be started with: names, paths and ports that are missing or that
 * the kernel cannot have. Keys are told apart by case, and null is the same as leaving a field out.
 *
 * @module
 */

export * from "./app.ts";
export * from "./image_manifest.ts";
export * from "./pod_manifest.ts";
