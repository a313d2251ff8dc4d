import { assertEquals, assertThrows } from "@std/assert";
import { ImageManifest, PodManifest } from "../../appc/manifest.ts";
import { IMAGE, POD, withField } from "../../appc/manifest_testing.ts";
import { parseManifest } from "../../appc/parse.ts";
import { planForwardedPorts } from "./forwarded_ports.ts";

const WEB = { name: "web", protocol: "tcp", port: 8080 };
const DNS = { name: "dns", protocol: "UDP", port: 53 };

/** The forwarded ports of a pod that has one app for each list of ports. */
function plan(exposed: unknown[], ...ofApps: unknown[][]) {
  const manifest = parseManifest(
    JSON.stringify(withField(POD, ["ports"], exposed)),
    PodManifest(),
    "pod",
  );
  const apps = ofApps.map((ports, i) => {
    const text = JSON.stringify(withField(IMAGE, ["app", "ports"], ports));
    const image = parseManifest(text, ImageManifest(), "image");
    const name = `app${i}`;
    return { field: `apps[${i}]`, name, app: image.app!, runtime: manifest.apps[0]!, image };
  });
  return planForwardedPorts({ manifest, apps });
}

Deno.test("a port is found by its name, in whichever app has it", () => {
  const exposed = [{ name: "dns", hostPort: 5353 }, { name: "web", hostPort: 80 }];
  assertEquals(plan(exposed, [WEB], [DNS]).mappings, [
    { hostPort: 5353, containerPort: 53, protocol: "udp" },
    { hostPort: 80, containerPort: 8080, protocol: "tcp" },
  ]);
});

Deno.test("a pod's own word goes before the apps' ports", () => {
  const exposed = [{ name: "web", hostPort: 80, podPort: { ...WEB, port: 9090 } }];
  assertEquals(plan(exposed, [WEB], [WEB]).mappings.map(({ containerPort }) => containerPort), [
    9090,
  ]);
});

Deno.test("an address of the host is passed on, one that stands for all is not", () => {
  const exposed = ["", "0.0.0.0", "::", "10.0.0.1"].map((hostIP, i) => ({
    name: "web",
    hostPort: 80 + i,
    hostIP,
  }));
  const addresses = plan(exposed, [WEB]).mappings.map(({ hostIP }) => hostIP);
  assertEquals(addresses, [undefined, undefined, undefined, "10.0.0.1"]);
});

Deno.test("the same port of two addresses, or of two protocols, are two", () => {
  const exposed = [
    { name: "web", hostPort: 80, hostIP: "10.0.0.1" },
    { name: "web", hostPort: 80, hostIP: "10.0.0.2" },
    { name: "dns", hostPort: 80 },
  ];
  assertEquals(plan(exposed, [WEB, DNS]).mappings.length, 3);
});

Deno.test("of ports in a row only the first is the host's to open, and that is said", () => {
  const { mappings, notes } = plan([{ name: "web", hostPort: 80 }], [{ ...WEB, count: 3 }]);
  assertEquals(mappings.length, 1);
  assertEquals(notes, ["ports[0] (web): only the first of 3 ports leads to the pod"]);
});

const REFUSED: [exposed: unknown[], ofApps: unknown[][], why: string][] = [
  [[{ name: "ftp", hostPort: 21 }], [[WEB]], 'ports[0].name: no app of this pod has a port "ftp"'],
  [
    [{ name: "web", hostPort: 80 }],
    [[WEB], [WEB]],
    'ports[0].name: more than one app of this pod has a port "web"',
  ],
  [[{ name: "web" }], [[WEB]], "ports[0].hostPort: missing: which port of the host"],
  [
    [{ name: "web", hostPort: 80 }],
    [[{ ...WEB, protocol: "icmp" }]],
    'ports[0]: protocol "icmp" is not one of tcp, udp, sctp',
  ],
  [
    [{ name: "web", hostPort: 80, hostIP: "10.0.0.1" }, { name: "web", hostPort: 80 }],
    [[WEB]],
    "ports[1].hostPort: tcp port 80 is taken by ports[0]",
  ],
];

for (const [exposed, ofApps, why] of REFUSED) {
  Deno.test(`ports are refused: ${why}`, () => {
    assertEquals(assertThrows(() => plan(exposed, ...ofApps), Error).message, why);
  });
}

Deno.test("a port whose socket an app is given is not forwarded", () => {
  const exposed = [{ name: "web", hostPort: 80 }, { name: "dns", hostPort: 5353 }];
  const ports = [{ ...WEB, socketActivated: true }, DNS];
  assertEquals(plan(exposed, ports).mappings.map(({ hostPort }) => hostPort), [5353]);
});
