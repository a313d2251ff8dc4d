import { assertEquals, assertThrows } from "@std/assert";
import type { Pod } from "../stage1/pod.ts";
import { composePod } from "./plan_testing.ts";
import { notesOnStopTimeout, planStop, type StopPlan, USUAL_STOP } from "./stop.ts";

function annotations(values: Record<string, string>): object[] {
  return Object.entries(values).map(([name, value]) => ({ name: `stage1-volo/${name}`, value }));
}

/** The time of an app's own is the operator's alone to say. */
function podWithTimeout(value: string): Pod {
  const app = { name: "server", annotations: annotations({ "stop-timeout": value }) };
  return composePod({ pod: { apps: [app] } });
}

function plannedTimeout(value: string): StopPlan {
  return planStop(podWithTimeout(value).apps[0]!);
}

/** The plan of an app whose image has annotations. */
function planned(values: Record<string, string>): StopPlan {
  return planStop(composePod({ annotations: annotations(values) }).apps[0]!);
}

Deno.test("an app that says nothing is asked by SIGTERM, and has 30 seconds", () => {
  assertEquals(planned({}), { signal: 15, patience: 30_000 });
});

for (const [value, signal] of [["SIGQUIT", 3], ["int", 2], ["9", 9], ["sigrtmin+3", 37]] as const) {
  Deno.test(`a stop signal of ${value} is signal ${signal}`, () => {
    assertEquals(planned({ "stop-signal": value }), { ...USUAL_STOP, signal });
  });
}

for (const value of ["", "0", "65", "-3", "SIGFOO", "SIG", "QUIT ", "3.0", "SIGSTOP", "19"]) {
  Deno.test(`a stop signal of ${JSON.stringify(value)} is refused by its place`, () => {
    assertThrows(
      () => planned({ "stop-signal": value }),
      Error,
      `image "example.com/server": annotations[0].value: ${JSON.stringify(value)} `,
    );
  });
}

for (const [value, patience] of [["0", 0], ["5", 5_000], ["9999999", 9_999_999_000]] as const) {
  Deno.test(`a stop timeout of ${value} seconds is ${patience} milliseconds`, () => {
    assertEquals(plannedTimeout(value), { ...USUAL_STOP, patience });
  });
}

for (const value of ["", "-1", "1.5", "10s", "1e3", "007", " 5", "10000000", "Infinity"]) {
  Deno.test(`a stop timeout of ${JSON.stringify(value)} is refused by its place`, () => {
    assertThrows(
      () => plannedTimeout(value),
      Error,
      `${JSON.stringify(value)} is no number of seconds from 0 to 9999999`,
    );
  });
}

Deno.test("an image does not say how long the host waits", () => {
  assertEquals(planned({ "stop-timeout": "9999999" }), USUAL_STOP);
});

Deno.test("a time of its own has no effect on an app that run becomes", () => {
  assertEquals(notesOnStopTimeout(podWithTimeout("5").apps[0]!), [
    "apps[0].annotations[0] (stage1-volo/stop-timeout): ignored: " +
    "`run` becomes the app, so nobody is there to wait for its end",
  ]);
  assertEquals(notesOnStopTimeout(composePod({}).apps[0]!), []);
});
