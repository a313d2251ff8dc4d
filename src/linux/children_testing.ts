/**
 * The children of the process that runs tests: of all its threads, as the test runner gives each
 * file a thread of its own.
 *
 * @module
 */

import { listDirectory } from "./directory.ts";
import { readKernelFile } from "./read_write.ts";

/** Lists this process's children, those among them that nobody has waited for. */
export function ownChildren(): number[] {
  const ofThread = (thread: string) => readKernelFile(`/proc/self/task/${thread}/children`);
  return listDirectory("/proc/self/task").flatMap((thread) => ofThread(thread).split(" "))
    .filter((word) => word !== "").map(Number);
}
