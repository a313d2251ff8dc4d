/**
 * The argument parser of Deno's standard library, typed.
 *
 * `deno-std` is `@std` for machines that reach npm only; it carries no types, so the declaration
 * file beside this module supplies them.
 */
// @ts-types="./parse_args.d.ts"
export * from "../../node_modules/deno-std/cli/parse_args.js";
