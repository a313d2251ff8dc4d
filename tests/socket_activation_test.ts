/**
 * Tests of sockets that a service manager has opened, and that apps are given.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertRefused, editJson } from "./expect.ts";
import { COMPILER } from "./filter_probe.ts";
import type { Host } from "./host.ts";
import { EVERY_KERNEL, scenario, type Stage } from "./scenario.ts";
import { SERVICE, serviceImage } from "./service_manager.ts";
import type { Pod } from "./stage0.ts";

/** Returns a port that nobody uses. */
function freePort(): number {
  using listener = Deno.listen({ port: 0, hostname: "::" });
  return listener.addr.port;
}

/** Returns a host whose programs are given sockets, each `NAME:PROTOCOL:PORT`. */
function giving(image: string, ...sockets: string[]): Host {
  return { wrap: (argv) => [`${image}/rootfs${SERVICE}`, "give", ...sockets, "--", ...argv] };
}

/** Connects, and returns what the server says. */
async function answerOf(port: number): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  return await new Response(connection.readable).text();
}

/** Returns output without what `run` puts before each line. */
function plain(text: string): string {
  return text.replace(/^\[.*?\]: /gm, "");
}

const WEB = { name: "web", protocol: "tcp", port: 80, socketActivated: true };

/** Composes a pod of one app that serves the port 80, which is another one of the host's. */
async function webPod(
  { script }: Stage,
  image: string,
  hostPort: number,
  text = `exec ${SERVICE} serve`,
  ports: readonly object[] = [WEB],
): Promise<Pod> {
  const pod = await script(text, { image });
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.apps[0].app.ports = ports;
    manifest.ports = [{ name: "web", hostPort }];
  });
  return pod;
}

scenario(
  "an app is given the sockets of its ports",
  { flavor: "either", needs: COMPILER },
  async (stage) => {
    const [image, port] = [await serviceImage(stage, []), freePort()];
    await using pod = await webPod(stage, image, port);
    const run = await pod.start({ host: giving(image, `http:tcp:${port}`) });
    assertEquals(await answerOf(port), "hello by socket 3\n");
    const { stdout, stderr } = await run.result;
    assertMatch(plain(stdout), /^this process, 1 sockets: http\nsocket 3 is of tcp\n/);
    assertEquals(stderr, "");
  },
);

scenario(
  "run becomes an app that is given sockets",
  { needs: COMPILER, kernels: EVERY_KERNEL },
  async (stage) => {
    const [image, port] = [await serviceImage(stage, []), freePort()];
    const sockets = [`other:tcp:${freePort()}`, `http:tcp:${port}`];
    for (const user of ["0", "1000"]) {
      await using pod = await webPod(stage, image, port);
      await editJson(`${pod.dir}/pod`, (manifest) => manifest.apps[0].app.user = user);
      const run = await pod.start({ host: giving(image, ...sockets) });
      assertEquals(await answerOf(port), "hello by socket 3\n");
      assertMatch((await run.result).stdout, /^this process, 1 sockets: http$/m);
    }
  },
);

scenario(
  "an app whose filter refuses the call by which its process finds its id is given its sockets",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const [image, port] = [await serviceImage(stage, []), freePort()];
    const value = { set: ["readlinkat"] };
    const app = {
      exec: [SERVICE, "serve"],
      ports: [{ ...WEB, port }],
      isolators: [{ name: "os/linux/seccomp-remove-set", value }],
    };
    await using pod = await stage.pod({ image, app });
    const run = await pod.start({ host: giving(image, `http:tcp:${port}`) });
    assertEquals(await answerOf(port), "hello by socket 3\n");
    assertMatch(plain((await run.result).stdout), /^this process, 1 sockets: http$/m);
  },
);

scenario(
  "a process of a pod has no other descriptor than its sockets",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const [image, port] = [await serviceImage(stage, []), freePort()];
    await using pod = await webPod(stage, image, port);
    const run = await pod.start({ host: giving(image, `http:tcp:${port}`), extraFds: [5] });
    await answerOf(port);
    assertMatch(plain((await run.result).stdout), /^further descriptor: none$/m);
  },
);

for (const flavor of ["host", "isolated"] as const) {
  scenario(
    "each app of a pod is given its own sockets, in order, and the rest is told",
    { flavor, needs: COMPILER },
    async (stage) => {
      const image = await serviceImage(stage, []);
      const [one, two, three] = [freePort(), freePort(), freePort()];
      const serve = { exec: [SERVICE, "serve"], user: "1000" };
      const port = (name: string, protocol: string, port: number) => ({
        ...WEB,
        name,
        protocol,
        port,
      });
      const apps = {
        first: { ...serve, ports: [port("a", "tcp", two), port("b", "udp", one)] },
        second: { ...serve, ports: [port("c", "tcp", one)] },
        third: { exec: ["/bin/sh", "-c", "env | grep LISTEN; ls /proc/self/fd | wc -l"] },
      };
      await using pod = await stage.stage0.prepare({
        apps: Object.entries(apps).map(([name, app]) => ({ image, name, app })),
      });
      const sockets = [`z:tcp:${three}`, `y:tcp:${one}`, `x:udp:${one}`, `w:tcp:${two}`];
      const run = await pod.start({ host: giving(image, ...sockets) });
      assertEquals(await answerOf(one), "hello by socket 3\n");
      assertEquals(await answerOf(two), "hello by socket 4\n");
      const { stdout, stderr, code } = await run.result;
      assertEquals(code, 0, stderr);
      const of = (app: string) =>
        stdout.split("\n").filter((line) => line.includes(`] ${app}[`)).map((line) =>
          line.replace(/^.*?\]: /, "")
        ).filter((line) => !line.startsWith("further"));
      assertEquals(of("first"), [
        "this process, 2 sockets: x:w",
        ...["socket 3 is of udp", "socket 4 is of tcp"],
      ]);
      assertEquals(of("second"), ["this process, 1 sockets: y", "socket 3 is of tcp"]);
      // 0 to 2, and that of the directory which is listed.
      assertEquals(of("third"), ["4"]);
      assertEquals(
        stderr,
        `run: LISTEN_FDS: z (tcp port ${three}): ignored: no app has a socketActivated port for it\n`,
      );
    },
  );
}

scenario(
  "handlers and commands of enter are given no socket",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const [image, port] = [await serviceImage(stage, []), freePort()];
    const seen = "env | grep -c LISTEN; ls /proc/self/fd | wc -l";
    await using pod = await webPod(stage, image, port, "echo up; exec sleep 100");
    await editJson(`${pod.dir}/pod`, (manifest) => {
      manifest.apps[0].app.eventHandlers = [
        { name: "pre-start", exec: ["/bin/sh", "-c", `(${seen}) >/before`] },
      ];
    });
    const run = await pod.start({ host: giving(image, `http:tcp:${port}`) });
    await run.prints("up");
    assertEquals(await Deno.readTextFile(`${pod.appRootfs()}/before`), "0\n4\n");
    assertEquals((await pod.enter("app", ["/bin/sh", "-c", seen])).stdout, "0\n4\n");
  },
);

scenario(
  "an app with users of the pod's own is given its sockets",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const [image, port] = [await serviceImage(stage, []), freePort()];
    const app = { exec: [SERVICE, "serve"], ports: [{ ...WEB, port }] };
    await using pod = await stage.pod({
      ...{ image, app },
      ...{ privateUsers: "1000000:65536", overlay: false },
    });
    const run = await pod.start({ host: giving(image, `http:tcp:${port}`) });
    assertEquals(await answerOf(port), "hello by socket 3\n");
    assertMatch(plain((await run.result).stdout), /^this process, 1 sockets: http$/m);
  },
);

scenario(
  "a port without its socket is refused, whatever else there is",
  { flavor: "either", needs: COMPILER },
  async (stage) => {
    const [image, port] = [await serviceImage(stage, []), freePort()];
    const missing = new RegExp(
      `apps\\[0\\]\\.app\\.ports\\[0\\]\\.socketActivated: LISTEN_FDS has no socket of tcp port ${port}`,
    );
    const others: [Host | undefined, Record<string, string>, RegExp][] = [
      [undefined, {}, missing],
      [giving(image, `udp:udp:${port}`), {}, missing],
      [giving(image, `other:tcp:${freePort()}`), {}, missing],
      [undefined, { LISTEN_PID: "1", LISTEN_FDS: "1" }, missing],
    ];
    for (const [host, env, matter] of others) {
      await using pod = await webPod(stage, image, port);
      assertRefused(await pod.run({ ...(host ? { host } : {}), env }), "run", matter);
    }
  },
);

scenario(
  "sockets for a pod that wants none are told, and nobody has them",
  { flavor: "either", needs: COMPILER },
  async (stage) => {
    const [image, port] = [await serviceImage(stage, []), freePort()];
    const text = "env | grep -c LISTEN; ls /proc/self/fd | grep -c 3";
    await using pod = await webPod(stage, image, port, text, [{ ...WEB, socketActivated: false }]);
    await editJson(`${pod.dir}/pod`, (manifest) => manifest.ports = []);
    const result = await pod.run({ host: giving(image, `http:tcp:${port}`) });
    assertMatch(result.stderr, /^run: LISTEN_FDS: http \(tcp port \d+\): ignored: no app has/m);
    assertCode(result, 0);
    assertMatch(plain(result.stdout), /^0\n/);
  },
);
