/**
 * The setting by which root of a pod could become root of the host: the kernel starts the program
 * that it names, as root of the host, for each core file.
 *
 * @module
 */

/** The setting's path. */
export const CORE_PATTERN = "/proc/sys/kernel/core_pattern";

/** The value that attackers write: the name of a file, which starts no program. */
export const HOSTILE_PATTERN = "core.hostile";

/**
 * Runs something that may change the setting, returns the values before and after, and restores the
 * first. A lock lets one test of all files do so at a time: a second one would take the first one's
 * value for the original.
 */
export async function patternAround(
  act: () => Promise<void>,
): Promise<{ before: string; after: string }> {
  using turn = await Deno.open(import.meta.filename!);
  await turn.lock(true);
  const before = await Deno.readTextFile(CORE_PATTERN);
  try {
    await act();
    return { before, after: await Deno.readTextFile(CORE_PATTERN) };
  } finally {
    await Deno.writeTextFile(CORE_PATTERN, before);
  }
}
