/**
 * A directory for tests of files.
 *
 * @module
 */

/** Calls a test with the path of an empty directory, and removes the directory afterwards. */
export function inTempDir(act: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "volo-file-" });
  try {
    act(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
