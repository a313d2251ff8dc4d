import { assertEquals, assertThrows } from "@std/assert";
import { type GivenSocket, isActivated, notesOnSockets, planActivation } from "./activation.ts";
import { composePod } from "./plan_testing.ts";

const PORT = { name: "web", protocol: "tcp", port: 80, socketActivated: true };

function socket(fd: number, number?: number, protocol: "tcp" | "udp" = "tcp"): GivenSocket {
  return { fd, name: `s${fd}`, port: number === undefined ? undefined : { protocol, number } };
}

/** The descriptors that an app with these ports is given. */
function fdsOf(ports: object[], given: GivenSocket[], exposed: object[] = []) {
  const pod = composePod({ apps: { server: { ports } }, pod: { ports: exposed } });
  return planActivation(pod, pod.apps[0]!, given)?.fds;
}

Deno.test("an app without such a port is given none", () => {
  assertEquals(fdsOf([{ ...PORT, socketActivated: false }], [socket(3, 80)]), undefined);
  assertEquals(fdsOf([], [socket(3, 80)]), undefined);
});

Deno.test("an app is given each socket of its ports once, in their order", () => {
  const given = [socket(3, 81), socket(4, 80), socket(5), socket(6, 80, "udp"), socket(7, 80)];
  assertEquals(fdsOf([PORT], given), [4, 7]);
  assertEquals(fdsOf([PORT, { ...PORT, name: "again" }], given), [4, 7]);
  assertEquals(fdsOf([{ ...PORT, protocol: "UDP" }], given), [6]);
  assertEquals(fdsOf([{ ...PORT, count: 2 }], given), [3, 4, 7]);
});

Deno.test("the port of the host counts where the pod exposes it", () => {
  const given = [socket(3, 80), socket(4, 8080)];
  assertEquals(fdsOf([PORT], given, [{ name: "web", hostPort: 8080 }]), [4]);
  assertEquals(fdsOf([PORT], given, [{ name: "other", hostPort: 8080 }]), [3]);
  assertEquals(fdsOf([PORT], given, [{ name: "web", hostPort: 0 }]), [3]);
});

Deno.test("a port without its socket is an error", () => {
  for (const given of [[], [socket(3, 80, "udp")], [socket(3, 81)], [socket(3)]]) {
    assertThrows(() => fdsOf([PORT], given), Error, "apps[0].app.ports[0].socketActivated: ");
  }
  assertThrows(() => fdsOf([{ ...PORT, count: 2 }], [socket(3, 80)]), Error, "tcp port 81");
});

Deno.test("sockets that nobody is given are told", () => {
  const notes = notesOnSockets([socket(3, 80), socket(4, 81), socket(5)], [
    undefined,
    { fds: [3], names: ["s3"] },
  ]);
  const why = "ignored: no app has a socketActivated port for it";
  assertEquals(notes, [`LISTEN_FDS: s4 (tcp port 81): ${why}`, `LISTEN_FDS: s5 (no port): ${why}`]);
});

Deno.test("an exposed port is known by its name", () => {
  const pod = composePod({ apps: { server: { ports: [PORT] } } });
  assertEquals([isActivated(pod, "web"), isActivated(pod, "other")], [true, false]);
});
