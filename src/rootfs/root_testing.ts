/**
 * App roots for unit tests: a directory with a secret beside it that nothing may reach.
 *
 * @module
 */

import "../linux/libc_testing.ts";
import type { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";

/** A root to test with. */
export interface TestRoot {
  root: Fd;
  /** Its path on the host. */
  path: string;
  /** The directory around it, which holds it and nothing else. */
  outside: string;
}

/** Runs a test on a fresh root and checks that nothing was made outside of it. */
export function withRoot(act: (test: TestRoot) => void): void {
  const outside = Deno.makeTempDirSync({ prefix: "volo-root-" });
  const path = `${outside}/root`;
  Deno.mkdirSync(path);
  try {
    using root = openFile(path, O_PATH | O_DIRECTORY);
    act({ root, path, outside });
    const names = [...Deno.readDirSync(outside)].map(({ name }) => name);
    if (names.length !== 1) throw new Error(`made outside of the root: ${names.join(", ")}`);
  } finally {
    Deno.removeSync(outside, { recursive: true });
  }
}
