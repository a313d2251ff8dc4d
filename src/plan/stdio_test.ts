import { assertEquals, assertThrows } from "@std/assert";
import {
  CALLERS_STREAMS,
  LOGGED_STREAMS,
  planStdio,
  type StdioRequest,
  type Stream,
  STREAMS,
} from "./stdio.ts";

const PIPES = { stdin: "pipe", stdout: "pipe", stderr: "pipe" } as const;

const REQUEST: StdioRequest = {
  place: "apps[0]",
  annotations: [],
  interactive: false,
  callers: { stdin: "terminal", stdout: "terminal", stderr: "terminal" },
  severalApps: false,
  defaults: LOGGED_STREAMS,
};

function annotated(modes: Partial<Record<Stream, string>>): StdioRequest["annotations"] {
  return Object.entries(modes).map(([stream, value]) => ({
    name: `coreos.com/rkt/stage2/${stream}`,
    value,
  }));
}

function planned(modes: Partial<Record<Stream, string>>, request: Partial<StdioRequest> = {}) {
  const { stdin, stdout, stderr } = planStdio({
    ...REQUEST,
    annotations: annotated(modes),
    ...request,
  });
  return [stdin, stdout, stderr];
}

Deno.test("an app of which nothing is said reads nothing, and its output is logged", () => {
  for (const severalApps of [false, true]) {
    assertEquals(planned({}, { severalApps }), ["null", "log", "log"]);
  }
});

Deno.test("an interactive pod has a terminal if the caller has, else the caller's streams", () => {
  assertEquals(planned({}, { interactive: true }), ["console", "console", "console"]);
  assertEquals(planned({}, { interactive: true, callers: PIPES }), [
    "caller",
    "caller",
    "caller",
  ]);
});

Deno.test("no app has a terminal or a file of the caller's", () => {
  const shown = { ...PIPES, stdout: "terminal" } as const;
  assertEquals(planned({}, { interactive: true, callers: shown }), ["caller", "log", "caller"]);
  assertEquals(planned({ stdout: "interactive" }, { callers: shown }), ["null", "log", "log"]);
  const files = { stdin: "file", stdout: "file", stderr: "file" } as const;
  assertEquals(planned({}, { interactive: true, callers: files }), ["relay", "log", "log"]);
});

Deno.test("--interactive goes before annotations, and is for one app", () => {
  assertEquals(planned({ stdout: "stream" }, { interactive: true }), [
    "console",
    "console",
    "console",
  ]);
  assertThrows(
    () => planned({}, { interactive: true, severalApps: true }),
    Error,
    "--interactive: the pod has several apps",
  );
});

Deno.test("each stream can be asked for by itself", () => {
  assertEquals(planned({ stdout: "null", stderr: "log" }), ["null", "null", "log"]);
  assertEquals(planned({ stdin: "interactive" }), ["console", "log", "log"]);
  assertEquals(planned({ stdin: "interactive" }, { callers: PIPES }), [
    "caller",
    "log",
    "log",
  ]);
});

Deno.test("a terminal to attach to is shown in the caller's, if there are one app and a terminal", () => {
  const modes = { stdin: "tty", stdout: "tty" };
  assertEquals(planned(modes), ["shared-tty", "shared-tty", "log"]);
  assertEquals(planned(modes, { callers: PIPES }), ["tty", "tty", "log"]);
  assertEquals(planned(modes, { severalApps: true }), ["tty", "tty", "log"]);
});

Deno.test("streams to attach to are had in every pod", () => {
  const modes = { stdin: "stream", stdout: "stream", stderr: "null" };
  for (const callers of [PIPES, REQUEST.callers]) {
    for (const severalApps of [false, true]) {
      assertEquals(planned(modes, { callers, severalApps }), ["stream", "stream", "null"]);
    }
  }
});

Deno.test("where the caller's streams are usual, a terminal of the app's is only to attach to", () => {
  const request = { defaults: CALLERS_STREAMS };
  const modes = { stdin: "interactive", stdout: "stream" };
  assertEquals(planned(modes, request), ["caller", "stream", "caller"]);
  assertEquals(planned({}, { ...request, interactive: true }), ["caller", "caller", "caller"]);
});

Deno.test("what cannot be had is refused by its place", () => {
  for (const stream of STREAMS) {
    const refused = (mode: string, why: string, request = {}) =>
      assertThrows(
        () => planned({ [stream]: mode }, request),
        Error,
        `apps[0].annotations[0].value: "${mode}" ${why}`,
      );
    refused("interactive", "is for a pod of one app", { severalApps: true });
    refused("journal", "is not one of interactive, ");
  }
  assertThrows(() => planned({ stdin: "log" }), Error, '"log" is not one of interactive, null');
});
