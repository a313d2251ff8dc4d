/**
 * Ports of a pod in the host's network: they are checked, but not forwarded.
 *
 * @module
 */

import type { Pod } from "../../stage1/pod.ts";
import { isActivated } from "../activation.ts";
import { tellIgnored } from "../fields.ts";

/**
 * Checks the ports that a pod in the host's network exposes.
 *
 * @returns One line for each, which says that it is ignored. One that an app is given the socket of
 * is not.
 * @throws {Error} when no app has a port of that name.
 */
export function tellIgnoredPorts(pod: Pod): string[] {
  const { manifest, apps } = pod;
  const names = new Set(apps.flatMap(({ app }) => app.ports).map(({ name }) => name));
  return manifest.ports.flatMap(({ name, podPort }, i) => {
    if (!podPort && !names.has(name)) {
      throw new Error(`ports[${i}].name: no app of this pod has a port "${name}"`);
    }
    return isActivated(pod, name) ? [] : [tellIgnored("pod: ports", `ports[${i}] (${name})`)];
  });
}
