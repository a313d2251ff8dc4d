import { V8_FLAGS } from "../tasks/build.ts";
import { assertQuiet } from "./expect.ts";
import { execute } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import { scenario } from "./scenario.ts";

const CONFIG = new URL("../deno.json", import.meta.url).pathname;
const HOST = new URL("network_host.ts", import.meta.url).pathname;

/**
 * Names of the tests by the cases of `network_host.ts`. Each ends with the check that nothing is
 * left on the host.
 */
const CASES: Record<string, string> = {
  default: "a pod in the default network has an address, a route, the host at its other end",
  ports: "a port of the host leads to the pod, by all addresses of the host",
  hostIP: "a port of one address of the host leads to the pod by that one alone",
  bridge: "networks are joined in their files' order, and ports lead through the one with ipMasq",
  macvlan: "a network's arguments reach the plugin that knows them, past those that do not",
  list: "a list of plugins hands results on, and its own portmap is told of ports",
  dns: "name servers of the first network that tells some become the pod's",
  speech: "plugins are told what CNI says, to the byte",
  told: "plugins of a newer version are told the network's result when the pod leaves it",
  conflict: "an address that is taken is refused, and what was joined before is left again",
  missing: "a plugin that is nowhere is named, with where it was looked for and what to install",
  restart: "networks are left after a restart of the host as well",
  later: "what run cannot undo is left for gc",
  halfway: "networks are left when run was killed while it joined them",
};

for (const [name, title] of Object.entries(CASES)) {
  scenario(title, { needs: NETWORK_NEEDS }, async ({ dir }) => {
    await Deno.mkdir(`${dir}/pod`);
    const contained = [
      "unshare",
      "--net",
      "--mount",
      "--propagation",
      "private",
      `--wd=${dir}/pod`,
    ];
    const deno = [Deno.execPath(), "run", "--allow-all", "--quiet", V8_FLAGS];
    assertQuiet(await execute([...contained, ...deno, `--config=${CONFIG}`, HOST, name]));
  });
}
