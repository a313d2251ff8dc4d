/**
 * A pod directory for tests whose code starts processes.
 *
 * @module
 */

import { compileNative, OWN_ARCHITECTURE } from "../../image/native.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** Runs a test in a pod directory that has only `init`. */
export function inPodDirectory(test: () => void): void {
  const before = Deno.cwd();
  const directory = Deno.makeTempDirSync();
  Deno.chdir(directory);
  try {
    Deno.mkdirSync(POD_PATHS.stage1Rootfs, { recursive: true });
    const program = compileNative("init", OWN_ARCHITECTURE).bytes;
    Deno.writeFileSync(POD_PATHS.init, program, { mode: 0o755 });
    test();
  } finally {
    Deno.chdir(before);
    Deno.removeSync(directory, { recursive: true });
  }
}
