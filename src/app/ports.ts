/**
 * Ports, in the host's network: what the manifests say of them is checked, and nothing is forwarded.
 *
 * @module
 */

import type { Pod, PodApp } from "../stage1/pod.ts";
import { refuseField, tellIgnored } from "./fields.ts";

/**
 * Checks the ports of an app and those that the pod exposes.
 *
 * @returns What has no effect, one line each.
 * @throws {Error} for a port that wants a socket opened for it, and for one that no app has.
 */
export function checkPorts(pod: Pod, { app, field }: PodApp): string[] {
  app.ports.forEach(({ socketActivated }, i) => {
    if (socketActivated) {
      const place = `${field}.app.ports[${i}].socketActivated`;
      throw refuseField("app.ports[].socketActivated", place);
    }
  });
  return pod.manifest.ports.map(({ name, podPort }, i) => {
    if (!podPort && app.ports.every((port) => port.name !== name)) {
      throw new Error(`ports[${i}].name: no app of this pod has a port "${name}"`);
    }
    return tellIgnored("pod: ports", `ports[${i}] (${name})`);
  });
}
