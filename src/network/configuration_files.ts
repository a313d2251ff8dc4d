/**
 * The files of the user's network configurations.
 *
 * @module
 */

import { listIfThere } from "../linux/directory.ts";
import { O_RDONLY, openFile } from "../linux/open.ts";
import { readText } from "../linux/read_write.ts";
import { statPath } from "../linux/stat.ts";
import type { ConfigurationFile } from "../plan/network/configuration.ts";
import { withContext } from "../stage1/context.ts";

/** The most bytes of a configuration that are read. */
const LARGEST = 1024 * 1024;

/**
 * Reads the files `*.conf` and `*.conflist` of a directory, in the order of their names.
 *
 * @returns The files; none when there is no such directory.
 * @throws {Error} when a file cannot be read; it names the file.
 */
export function readConfigurationFiles(directory: string): ConfigurationFile[] {
  return listIfThere(directory)
    .filter((name) => /\.conf(list)?$/.test(name))
    .toSorted()
    .map((name) => `${directory}/${name}`)
    .filter((path) => withContext(path, () => statPath(path)).kind !== "directory")
    .map((path) => withContext(path, () => readFile(path)));
}

function readFile(path: string): ConfigurationFile {
  using fd = openFile(path, O_RDONLY);
  return { path, text: readText(fd, LARGEST) };
}
