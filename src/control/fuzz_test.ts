import { assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { DAMAGE, isOneLine, spoil } from "../appc/manifest_testing.ts";
import type { Schema } from "../appc/schema.ts";
import type { Fd } from "../linux/fd.ts";
import { encodeText } from "../linux/text.ts";
import { decodeMessage, encodeMessage } from "./envelope.ts";
import { Added, AttachedInput, Launched, Request } from "./messages.ts";

/** How many messages of each kind are tried in all. */
const RUNS = Deno.env.get("VOLO_FUZZ") === "full" ? 50_000 : 1_000;

const ATTACH = {
  do: "attach",
  app: "web",
  endpoints: ["tty-in", "tty-out"],
  size: { rows: 24, columns: 80 },
};

const ADDED = {
  added: {
    field: "apps[0]",
    preStart: "apps[0].app.eventHandlers[0]",
    stdio: { stdin: "null", stdout: "log", stderr: "tty" },
    log: { to: ["file"], format: "cri", size: 65536, files: 2, kubernetes: null },
    stop: { signal: 15, patience: 30_000 },
    cgroupPaths: ["/sys/fs/cgroup/volo/web"],
    trackedCgroup: "/sys/fs/cgroup/volo/web",
    watchedCgroups: [{
      path: "/sys/fs/cgroup/volo/web",
      version: 2,
      limits: [{ file: "memory.max", value: "1", isolator: "memory", optional: true }],
    }],
  },
  notes: ["memory: ignored"],
};

const RECORD = { app: "web", pid: 7, start: "90", mounts: "4 2", mountsNumber: "12" };

const LAUNCHED = {
  launched: [{ phase: "running", pid: 7, record: RECORD }, { phase: "post-stop" }],
};

const KINDS: [kind: string, value: object, schema: Schema][] = [
  ["request", ATTACH, Request],
  ["description of an app", ADDED, Added],
  ["list of processes", LAUNCHED, Launched],
  ["word of who is attached", { resize: { rows: 24, columns: 80 } }, AttachedInput],
];

const NAMES = ["mounts", "root"];

/** Reads a message with two descriptors. They are closed when it is refused, and only then. */
function check(text: string, schema: Schema): boolean {
  const closed: number[] = [];
  const fds = NAMES.map((_, number) => ({ number, [Symbol.dispose]: () => closed.push(number) }));
  try {
    decodeMessage(encodeText(text), fds as unknown as Fd[], schema);
    assertEquals(closed, []);
    return true;
  } catch (error) {
    assertInstanceOf(error, Error);
    assertEquals(error.constructor, Error);
    assertEquals([/^message/.test(error.message), isOneLine(error.message)], [true, true]);
    assertEquals(closed, [0, 1]);
    return false;
  }
}

for (const [kind, value, schema] of KINDS) {
  const text = new TextDecoder().decode(encodeMessage(value, NAMES));

  Deno.test(`a ${kind} that is right is taken`, () => {
    assertEquals(check(text, schema), true);
  });

  Deno.test(`a ${kind} however spoilt is taken, or refused in one line`, () => {
    fc.assert(
      fc.property(fc.array(DAMAGE, { minLength: 1, maxLength: 4 }), (damages) => {
        check(JSON.stringify(damages.reduce(spoil, JSON.parse(text))) ?? "", schema);
      }),
      { numRuns: RUNS * 0.8 },
    );
  });

  Deno.test(`a ${kind} that is cut or garbled is refused in one line`, () => {
    const place = fc.nat(text.length);
    fc.assert(
      fc.property(place, place, fc.string({ unit: "binary" }), (start, end, garbage) => {
        check(text.slice(0, start) + garbage + text.slice(end), schema);
      }),
      { numRuns: RUNS * 0.2 },
    );
  });
}
