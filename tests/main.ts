/**
 * Runs the system tests where they can do no harm: in a mount namespace that hears nothing from the
 * machine and tells it nothing, with a temporary directory that goes when they are done.
 *
 * `deno run -A tests/main.ts [arguments of deno test]`
 *
 * @module
 */

/** Only root can have such a namespace; for others, the tests are ignored by name. */
const CONTAINED = Deno.uid() === 0 ? ["unshare", "--mount", "--propagation", "private"] : [];

// Ctrl-C reaches the tests as well; what is left to do here is to clean up after them.
Deno.addSignalListener("SIGINT", () => {});

const tempDir = await Deno.makeTempDir({ prefix: "stage1-tests-" });
try {
  Deno.exitCode = await runTests(tempDir);
} finally {
  await Deno.remove(tempDir, { recursive: true });
}

async function runTests(tempDir: string): Promise<number> {
  const selected = Deno.args.some((arg) => !arg.startsWith("-")) ? [] : [import.meta.dirname!];
  await Deno.mkdir(`${tempDir}/cache`);
  const [program, ...args] = [
    ...CONTAINED,
    ...[Deno.execPath(), "test", "--allow-all", ...Deno.args, ...selected],
  ];
  const status = await new Deno.Command(program!, {
    args,
    env: { TMPDIR: tempDir, STAGE1_CACHE: `${tempDir}/cache` },
  }).spawn().status;
  return status.code;
}
