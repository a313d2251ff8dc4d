/**
 * The entrypoints of a stage1 image: rkt's stage1 implementor's guide, interface version 6.
 *
 * @module
 */

/**
 * The entrypoints: each is `/NAME` in the image, and rkt finds it by an annotation of the image,
 * `coreos.com/rkt/stage1/VALUE`.
 */
export const ENTRYPOINTS = {
  "run": "run",
  "enter": "enter",
  "gc": "gc",
  "stop": "stop",
  "app-add": "app/add",
  "app-rm": "app/rm",
  "app-start": "app/start",
  "app-stop": "app/stop",
  "attach": "attach",
} as const;

/** The name of an entrypoint. */
export type ProgramName = keyof typeof ENTRYPOINTS;

/** The names of the entrypoints. */
export const PROGRAMS = Object.keys(ENTRYPOINTS) as ProgramName[];
