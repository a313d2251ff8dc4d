/**
 * Files that `run` and `gc` leave in the pod directory.
 *
 * @module
 */

import { makeDirectories } from "../linux/directory.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { replaceFileAt } from "../linux/read_write.ts";
import { writingFile } from "./context.ts";

/**
 * Writes a file of the pod directory, in which the program works, and the directories above it. A
 * reader sees the old text or the new one.
 *
 * @param path Relative to the pod directory.
 * @throws {Error} when it cannot be written, as on a full disk; it names the file.
 */
export function savePodFile(path: string, text: string): void {
  writingFile(path, () => {
    const nameAt = path.lastIndexOf("/") + 1;
    const parent = `./${path.slice(0, nameAt)}`;
    makeDirectories(parent);
    using directory = openFile(parent, O_PATH | O_DIRECTORY);
    replaceFileAt(directory, path.slice(nameAt), text);
  });
}
