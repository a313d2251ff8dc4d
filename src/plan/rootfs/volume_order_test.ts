import { assertEquals, assertThrows } from "@std/assert";
import { chooseNext, refuseHiding, type Routed } from "./volume_order.ts";

/** A volume whose way passes these directories. */
function volume(target: string, place = target, ...passes: string[]): Routed {
  const above = place.split("/").map((_, i, parts) => parts.slice(0, i).join("/") || "/");
  const way = { place, passes: new Set([...above, ...passes, place]) };
  return { target, field: `field of ${target}`, way };
}

/** Returns the targets in the order in which they are mounted. */
function order(...volumes: Routed[]): string[] {
  const targets: string[] = [];
  for (let pending = volumes; pending.length > 0;) {
    const next = chooseNext(pending);
    targets.push(next.target);
    pending = pending.filter((it) => it !== next);
  }
  return targets;
}

Deno.test("volumes that have nothing to do with each other stay in their order", () => {
  assertEquals(order(volume("/b"), volume("/a"), volume("/c/d")), ["/b", "/a", "/c/d"]);
});

Deno.test("a volume comes before those inside it, wherever their targets say that they are", () => {
  assertEquals(order(volume("/data/sub"), volume("/data")), ["/data", "/data/sub"]);
  assertEquals(order(volume("/data/sub"), volume("/opt/app/data", "/data", "/opt", "/opt/app")), [
    "/opt/app/data",
    "/data/sub",
  ]);
});

Deno.test("a volume comes before those whose links lie in it", () => {
  const linked = volume("/opt/data", "/data", "/opt");
  assertEquals(order(linked, volume("/opt")), ["/opt", "/opt/data"]);
});

Deno.test("ways are settled before anything that may turn out to lie on them", () => {
  const through = volume("/x/a/link");
  assertEquals(order(volume("/data/sub"), volume("/x/a"), through), [
    "/x/a",
    "/data/sub",
    "/x/a/link",
  ]);
});

Deno.test("two volumes at one place are no matter of order", () => {
  assertEquals(order(volume("/a", "/data"), volume("/data")), ["/a", "/data"]);
});

Deno.test("volumes that lead through each other are an error that names them", () => {
  const error = assertThrows(
    () => chooseNext([volume("/a", "/b/a", "/b"), volume("/b/a/n/b", "/b", "/b/a")]),
    Error,
    "lead through each other",
  );
  assertEquals(error.message.includes("/a (field of /a), /b/a/n/b (field of /b/a/n/b)"), true);
});

Deno.test("a volume is not mounted on the way of one that is there, nor over it from above", () => {
  const next = volume("/link", "/data");
  refuseHiding(next, [volume("/database"), volume("/data"), volume("/other/data")]);
  assertThrows(
    () => refuseHiding(next, [volume("/data/sub")]),
    Error,
    "field of /link: /link leads to /data, and would hide /data/sub of field of /data/sub",
  );
  assertThrows(() => refuseHiding(next, [volume("/x", "/y", "/data")]), Error, "would hide /x");
});
