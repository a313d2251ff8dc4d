/**
 * A pod that resists its end: some hundred processes, which restart their children when they end.
 *
 * @module
 */

/** A shell script that starts the processes and prints `up`. */
export const REGROWING = [
  "tree() {",
  "  while :; do",
  "    if [ $1 = 0 ]; then sleep .01 & sleep .01; continue; fi",
  "    tree $(($1 - 1)) & tree $(($1 - 1)) & wait",
  "  done",
  "}",
  "tree 5 &",
  "echo up",
  "exec sleep 100",
].join("\n");
