/**
 * The setting by which root of the pod becomes root of the host: what the kernel does with core
 * files.
 *
 * @module
 */

/** Where it is. */
export const CORE_PATTERN = "/proc/sys/kernel/core_pattern";

/** What a core file is called where an attacker could say so: a name, and no program. */
export const HOSTILE_PATTERN = "core.hostile";

/**
 * Runs what may set it, and returns what it was before and is then; it is put back in any case. One
 * at a time does so, of all files of tests: the next one would take what this one left for what was.
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
