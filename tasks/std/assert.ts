/**
 * The assertions of Deno's standard library, typed.
 *
 * `deno-std` is `@std` for machines that reach npm only; it carries no types, so the declaration
 * file beside this module supplies them.
 */
// @ts-types="./assert.d.ts"
export * from "../../node_modules/deno-std/assert/mod.js";
