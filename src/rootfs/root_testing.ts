/**
 * Roots of apps for unit tests: each a directory that nothing may be made beside.
 *
 * @module
 */

import "../linux/libc_testing.ts";
import type { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";

/** The root of an app, for a test. */
export interface TestRoot {
  root: Fd;
  /** Its path on the host. */
  path: string;
  /** The directory that holds the root and nothing else. */
  outside: string;
}

/** Runs a test with a new root, and checks that nothing was made outside of it. */
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
