/**
 * Ports of a pod in the host's network: they are checked, but not forwarded.
 *
 * @module
 */

import type { Pod, PodApp } from "../../stage1/pod.ts";
import { refuseField, tellIgnored } from "../fields.ts";

/**
 * Refuses socket activation: an app with a port whose socket should be open before the app starts.
 *
 * @throws {Error} when the app has such a port; it names the port.
 */
export function refuseSocketActivation({ app, field }: PodApp): void {
  app.ports.forEach(({ socketActivated }, i) => {
    if (!socketActivated) return;
    throw refuseField("app.ports[].socketActivated", `${field}.app.ports[${i}].socketActivated`);
  });
}

/**
 * Checks the ports that a pod in the host's network exposes.
 *
 * @returns One line for each, which says that it is ignored.
 * @throws {Error} when no app has a port of that name.
 */
export function tellIgnoredPorts({ manifest, apps }: Pod): string[] {
  const names = new Set(apps.flatMap(({ app }) => app.ports).map(({ name }) => name));
  return manifest.ports.map(({ name, podPort }, i) => {
    if (!podPort && !names.has(name)) {
      throw new Error(`ports[${i}].name: no app of this pod has a port "${name}"`);
    }
    return tellIgnored("pod: ports", `ports[${i}] (${name})`);
  });
}
