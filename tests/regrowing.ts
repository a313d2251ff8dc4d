/**
 * A pod that defends itself: some hundred processes, each of which starts its children again when they end.
 *
 * @module
 */

/** A shell script that says `up` when they begin. */
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
