import { assertEquals } from "@std/assert";
import { managerAddress, planNotification, readNotification } from "./notification.ts";
import { composePod } from "./plan_testing.ts";

const TELLS = { name: "appc.io/executor/supports-systemd-notify", value: "true" };

function plan(value: string | undefined, isBecome: boolean, manager?: string) {
  const annotations = value === undefined ? [] : [{ ...TELLS, value }];
  const [app] = composePod({ annotations }).apps;
  return planNotification(app!, { number: 2, isBecome, manager });
}

Deno.test("an app that does not ask gets no socket", () => {
  assertEquals(plan(undefined, true, "/run/notify"), undefined);
  assertEquals(plan("false", false, "/run/notify"), undefined);
});

Deno.test("an app that run becomes gets the manager's socket, others one of the pod's own", () => {
  assertEquals(plan("true", true), undefined);
  assertEquals(plan("true", true, "/run/notify"), { variable: "/.notify", source: "/run/notify" });
  assertEquals(plan("true", true, "@name"), { variable: "@name", source: undefined });
  const own = { variable: "/.notify", source: "notify/2" };
  assertEquals([plan("true", false), plan("true", false, "@name")], [own, own]);
});

Deno.test("only sockets of this machine are told", () => {
  const addresses = [undefined, "", "/run/notify", "@a", "/", "@", "a/b", "vsock:2:1"];
  assertEquals(addresses.map((address) => managerAddress(address).address), [
    ...[undefined, undefined, "/run/notify", "@a"],
    ...[undefined, undefined, undefined, undefined],
  ]);
  assertEquals(addresses.map((address) => managerAddress(address).notes.length), [
    ...[0, 0, 0, 0, 1, 1, 1, 1],
  ]);
});

Deno.test("of what an app tells, its readiness and the last of its statuses count", () => {
  const none = { isReady: false, status: undefined };
  const texts = ["", "READY=0", "XREADY=1", "READY=1x", "MAINPID=1\nFDSTORE=1\nBARRIER=1", "\0"];
  for (const text of texts) assertEquals(readNotification(text), none);
  assertEquals(readNotification("STATUS=a\nREADY=1\nSTATUS=b"), { isReady: true, status: "b" });
  assertEquals(readNotification(`STATUS=${"a".repeat(5000)}`).status?.length, 256);
});
