/**
 * Names that are not UTF-8, which Deno cannot make.
 *
 * @module
 */

import { must } from "./host.ts";

/** Runs a shell script that has to succeed. It begins in a directory. */
export async function shellIn(dir: string, script: string): Promise<string> {
  return await must(["/bin/sh", "-c", `cd "$0" && ${script}`, dir]);
}
