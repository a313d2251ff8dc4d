/** Tests of the ports of the host that lead to pods: one pod has each. */

import { assertEquals, assertMatch } from "@std/assert";
import { assertQuiet, assertRefused } from "./expect.ts";
import { execute, type Host, mountTmpfs, must, SimulatedHost } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import {
  answers,
  describeNetwork,
  forwardPort,
  gone,
  keeperOf,
  serve,
  writeNetwork,
} from "./pod_networks.ts";
import { startUp } from "./pod_processes.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

const OPTIONS = { flavor: "isolated", needs: NETWORK_NEEDS } as const;
const FLAGS = { net: "default" };
const NO_NETWORK = "stage1: failed to setup network";

scenario(
  "a port that leads to a pod is refused to the next one, by the pod's UUID",
  OPTIONS,
  async (
    { script },
  ) => {
    await using first = await script(serve("first"));
    await using second = await script(serve("second"));
    await using elsewhere = await script(serve("elsewhere"));
    await forwardPort(first);
    await forwardPort(second);
    await forwardPort(elsewhere, 8081);
    await using host = await SimulatedHost.open("shared", "own");
    const before = await describeNetwork(host);
    const program = await startUp(first, 1, { host, flags: FLAGS });
    const refused = await second.run({ host, flags: FLAGS });
    const why = `ports\\[0\\]\\.hostPort: tcp port 8080 of the host leads to pod ${first.uuid}`;
    assertRefused(refused, "run", new RegExp(`^run: ${NO_NETWORK}: ${why}\n$`));
    assertEquals(refused.stdout, "");
    const other = await startUp(elsewhere, 1, { host, flags: FLAGS });
    await answers(host, "first");
    await answers(host, "elsewhere", 8081);
    for (const pod of [first, elsewhere]) assertQuiet(await pod.stop({ host }));
    for (const each of [program, other]) await each.result;
    assertEquals(await describeNetwork(host), before);
  },
);

scenario("of two pods that want a port at once, one gets it", OPTIONS, async ({ script }) => {
  await using one = await script(serve("up"));
  await using other = await script(serve("up"));
  const pods = [one, other];
  for (const pod of pods) await forwardPort(pod);
  await using host = await SimulatedHost.open("shared", "own");
  const programs = await Promise.all(pods.map((pod) => pod.launch({ host, flags: FLAGS })));
  const first = await Promise.race(programs.map(async (it) => (await it.result, it)));
  assertMatch(
    first.stderr,
    new RegExp(`^run: ${NO_NETWORK}: ports\\[0\\]\\.hostPort: tcp port 8080 .* leads to pod `),
  );
  const i = 1 - programs.indexOf(first);
  assertEquals(programs[i]!.ended, false);
  await answers(host, "up");
  assertQuiet(await pods[i]!.stop({ host }));
  await programs[i]!.result;
});

scenario("a port of one address is another pod's at another address", OPTIONS, async (
  { script, dir },
) => {
  await writeNetwork(dir, "exit 0");
  await plainPortmap(dir);
  await using one = await script("echo up; sleep 600");
  await using other = await script("echo up; sleep 600");
  await using third = await script("echo up; sleep 600");
  await forwardPort(one, 8080, "127.0.0.1");
  await forwardPort(other, 8080, "127.0.0.2");
  await forwardPort(third, 8080);
  await using host = await SimulatedHost.open("shared", "own");
  const flags = { net: "odd", localConfig: dir };
  const programs = [
    await startUp(one, 1, { host, flags }),
    await startUp(other, 1, { host, flags }),
  ];
  assertRefused(await third.run({ host, flags }), "run", /leads to pod /);
  for (const pod of [one, other]) assertQuiet(await pod.stop({ host }));
  for (const program of programs) await program.result;
});

scenario("a port that a process of the host has is refused", OPTIONS, async ({ script, dir }) => {
  await writeNetwork(dir, "exit 0");
  await plainPortmap(dir);
  await using pod = await script("exit 0");
  await using host = await SimulatedHost.open("shared", "own");
  const flags = { net: "odd", localConfig: dir };
  for (const port of [8080, 80]) {
    await forwardPort(pod, port);
    await using _server = await listen(host, port);
    assertRefused(
      await pod.run({ host, flags }),
      "run",
      new RegExp(`ports\\[0\\]\\.hostPort: tcp port ${port} .*: a process of the host has it`),
    );
  }
  assertQuiet(await pod.run({ host, flags }));
});

scenario(
  "a full /run is told by the file that is missing there",
  OPTIONS,
  async ({ script, dir }) => {
    await writeNetwork(dir, "exit 0");
    await plainPortmap(dir);
    await using pod = await script("exit 0");
    await forwardPort(pod);
    await using host = await SimulatedHost.open("shared", "own");
    const ports = "/run/stage1-volo/ports";
    await using _small = await mountTmpfs(ports, host, "size=4k");
    await execute(["busybox", "sh", "-c", `head -c 8192 /dev/zero >${ports}/full`], host);
    const result = await pod.run({ host, flags: { net: "odd", localConfig: dir } });
    const told = new RegExp(`^run: ${NO_NETWORK}: ${ports}/${pod.uuid}: .*no space left`);
    assertRefused(result, "run", told);
    assertEquals((await execute(["ls", ports], host)).stdout, "full\n");
  },
);

/** What is done with a pod whose every process was killed, before the next one starts. */
const AFTER_KILLS: [name: string, act: (pod: Pod) => Promise<void>][] = [
  ["a port of a pod whose every process was killed leads to the next one", () => Promise.resolve()],
  [
    "a port of a killed pod that rkt gc has begun with leads to the next one",
    (pod) => pod.becomeGarbage(),
  ],
];

for (const [name, act] of AFTER_KILLS) {
  scenario(name, OPTIONS, async ({ script }) => {
    await using killed = await script(serve("killed"));
    await using next = await script(serve("next"));
    await forwardPort(killed);
    await forwardPort(next);
    await using host = await SimulatedHost.open("shared", "own");
    const before = await describeNetwork(host);
    const first = await startUp(killed, 1, { host, flags: FLAGS });
    const keeper = keeperOf(first);
    Deno.kill(keeper, "SIGKILL");
    first.kill("SIGKILL");
    await first.result;
    await gone(keeper);
    await act(killed);
    const program = await startUp(next, 1, { host, flags: FLAGS });
    assertEquals(program.stderr, "");
    await answers(host, "next");
    assertQuiet(await next.stop({ host }));
    await program.result;
    assertEquals(await describeNetwork(host), before);
    for (const pod of [killed, next]) assertQuiet(await pod.gc({ host }));
  });
}

scenario("what a killed pod cannot give back is told by the next one", OPTIONS, async (
  { script, dir },
) => {
  await writeNetwork(dir, `test -e ${dir}/whole && exit 0; echo '{"msg":"broken"}'; exit 1`);
  await plainPortmap(dir);
  await using killed = await script("echo up; sleep 600");
  await using next = await script("exit 7");
  await forwardPort(killed);
  await forwardPort(next);
  await using host = await SimulatedHost.open("shared", "own");
  const flags = { net: "odd", localConfig: dir };
  const first = await startUp(killed, 1, { host, flags });
  const keeper = keeperOf(first);
  first.kill("SIGKILL");
  await first.result;
  await gone(keeper);
  const { code, stderr } = await next.run({ host, flags });
  assertEquals(code, 7);
  const broken = "left to gc: --net=odd: odd: broken";
  assertEquals(stderr, `run: pod ${killed.uuid}: ${broken}\nrun: ${broken}\n`);
  await Deno.writeTextFile(`${dir}/whole`, "");
  for (const pod of [killed, next]) assertQuiet(await pod.gc({ host }));
  assertEquals(await execute(["ls", "/run/stage1-volo/ports"], host).then((it) => it.stdout), "");
});

/** Writes a plugin for ports that does nothing. */
async function plainPortmap(directory: string): Promise<void> {
  const text = `#!/bin/sh\ntest $CNI_COMMAND = DEL || echo '{"cniVersion":"0.3.1","ips":[]}'\n`;
  await Deno.writeTextFile(`${directory}/net.d/portmap`, text, { mode: 0o755 });
}

/** Has a process of the host listen on a port until it is disposed of. */
async function listen(host: Host, port: number): Promise<AsyncDisposable> {
  const argv = host.wrap(["busybox", "nc", "-ll", "-p", String(port), "-e", "true"]);
  const child = new Deno.Command(argv[0]!, { args: argv.slice(1), stdin: "null" }).spawn();
  const isListening = async () =>
    (await execute(["busybox", "netstat", "-ltn"], host)).stdout.includes(`:${port} `);
  while (!await isListening());
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

scenario("gc gives back ports of a pod that was killed before its networks began", OPTIONS, async (
  { script },
) => {
  await using pod = await script(serve("up"));
  await using host = await SimulatedHost.open("shared", "own");
  const file = `/run/stage1-volo/ports/${pod.uuid}`;
  await must(["sh", "-c", `mkdir -p -m 700 $(dirname ${file}); : >${file}`], host);
  assertQuiet(await pod.gc({ host }));
  assertEquals((await execute(["test", "-e", file], host)).code, 1);
});
