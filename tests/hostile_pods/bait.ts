/**
 * What an attacker is after: a directory of the host's, and how to tell whether it was reached.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Pod } from "../stage0.ts";
import { SPOILS } from "./attackers.ts";

/** A directory of the host's that no pod has any business with. */
export interface Bait {
  /** Its path on the host. */
  path: string;
  /** What the file in it holds, and nobody else knows. */
  secret: string;
  /**
   * Asserts that it was neither written to nor read: nobody made a file in it, and none of these
   * apps has a copy of its secret.
   */
  assertUntouched(pod: Pod, ...apps: string[]): void;
}

/** Where all that tests make lies; it goes with them, whatever its mode. */
const TEMP_DIR = Deno.env.get("TMPDIR") ?? "/tmp/";

/** Lays out a bait in a test's directory, where everyone who gets there may read and make files. */
export async function layBait(dir: string): Promise<Bait> {
  const path = `${dir}/bait`;
  const secret = crypto.randomUUID();
  // A user that is not root has to get here, if it gets out.
  for (let up = dir; up.startsWith(TEMP_DIR); up = up.slice(0, up.lastIndexOf("/"))) {
    await Deno.chmod(up, 0o755);
  }
  await Deno.mkdir(path);
  await Deno.chmod(path, 0o777);
  await Deno.writeTextFile(`${path}/secret`, secret, { mode: 0o644 });
  return {
    path,
    secret,
    assertUntouched(pod, ...apps) {
      const read = (apps.length === 0 ? ["app"] : apps).filter((app) =>
        spoilsOf(pod, "loot", app)?.includes(secret)
      );
      const made = [...Deno.readDirSync(path)].map(({ name }) => name).filter((name) =>
        name !== "secret"
      );
      assertEquals({ read, made }, { read: [], made: [] }, "the host's directory was reached");
    },
  };
}

/** What an app has left for the host to see, or undefined. */
export function spoilsOf(pod: Pod, name: string, app = "app"): string | undefined {
  try {
    return Deno.readTextFileSync(`${pod.appRootfs(app)}${SPOILS}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
