/**
 * Ports, in the host's network: what the manifests say of them is checked, and nothing is forwarded.
 *
 * @module
 */

import type { Pod, PodApp } from "../../stage1/pod.ts";
import { refuseField, tellIgnored } from "../fields.ts";

/**
 * Refuses an app with a port whose socket should be open before it starts.
 *
 * @throws {Error} which names the port.
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
 * @returns That they have no effect, one line each.
 * @throws {Error} for one that no app has.
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
