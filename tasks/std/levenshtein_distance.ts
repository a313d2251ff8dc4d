/**
 * The distance of words of Deno's standard library, typed.
 *
 * `deno-std` is `@std` for machines that reach npm only; it carries no types, so the declaration
 * file beside this module supplies them.
 */
// @ts-types="./levenshtein_distance.d.ts"
export * from "../../node_modules/deno-std/text/levenshtein_distance.js";
