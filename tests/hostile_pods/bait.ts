/**
 * The bait for attackers: a directory of the host, and checks whether an attacker reached it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Pod } from "../stage0.ts";
import { SPOILS } from "./attackers.ts";

/** A directory of the host that no pod may reach. */
export interface Bait {
  /** Its path on the host. */
  path: string;
  /** The content of the file in the directory; nothing else holds this text. */
  secret: string;
  /**
   * Asserts that no attacker reached the directory: nothing was made in it, and none of these apps
   * has a copy of the secret.
   */
  assertUntouched(pod: Pod, ...apps: string[]): void;
}

/** The directory of everything that tests make. It is removed afterwards, whatever its mode. */
const TEMP_DIR = Deno.env.get("TMPDIR") ?? "/tmp/";

/** Makes a bait in a test's directory; everyone who gets there may read it and make files in it. */
export async function layBait(dir: string): Promise<Bait> {
  const path = `${dir}/bait`;
  const secret = crypto.randomUUID();
  // A user other than root must be able to get here from outside of its root.
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

/** Reads a file that an app has left for the host to see; undefined if there is none. */
export function spoilsOf(pod: Pod, name: string, app = "app"): string | undefined {
  try {
    return Deno.readTextFileSync(`${pod.appRootfs(app)}${SPOILS}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
