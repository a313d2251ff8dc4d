import { assert, assertEquals, assertThrows } from "@std/assert";
import { USUAL_STOP } from "../plan/stop.ts";
import { type Action, HANDLER_PATIENCE, type Living, PodLife } from "./life.ts";

const SIGINT = 2;
const SIGQUIT = 3;
const SIGKILL = 9;
const SIGTERM = 15;
const OK = { status: 0 };

function pod(...apps: (string | Pick<Living, "name"> & Partial<Living>)[]): PodLife {
  const usual = { hasPreStart: false, hasPostStop: false, stop: USUAL_STOP };
  return new PodLife(
    apps.map((app) => ({ ...usual, ...(typeof app === "string" ? { name: app } : app) })),
  );
}

function start(app: string, phase: "pre-start" | "running" | "post-stop" = "running"): Action {
  return { do: "start", app, phase };
}

function signal(app: string, signal: number): Action {
  return { do: "signal", app, signal };
}

function saveStatus(app: string, status: number): Action {
  return { do: "save-status", app, status };
}

function wait(milliseconds: number): Action {
  return { do: "wait", milliseconds };
}

const WAIT = wait(USUAL_STOP.patience);

Deno.test("apps start in order, and the pod ends with the last one", () => {
  const life = pod("a", "b");
  assertEquals(life.begin(), [start("a"), start("b")]);
  assertEquals(life.ended("a", OK), [saveStatus("a", 0)]);
  assert(!life.isOver);
  assertEquals(life.ended("b", OK), [saveStatus("b", 0)]);
  assert(life.isOver);
  assertEquals(life.status, 0);
});

Deno.test("an app that fails takes the others down, and its status is the pod's", () => {
  const life = pod("a", "b", "c");
  life.begin();
  life.ended("c", OK);
  assertEquals(life.ended("a", { status: 5 }), [saveStatus("a", 5), signal("b", SIGTERM), WAIT]);
  assertEquals(life.ended("b", { signal: SIGTERM }), [saveStatus("b", 0)]);
  assert(life.isOver);
  assertEquals(life.status, 5);
});

Deno.test("an app that a signal ends by itself has failed", () => {
  const life = pod("a");
  life.begin();
  assertEquals(life.ended("a", { signal: 11 }), [saveStatus("a", 139)]);
  assertEquals(life.status, 139);
});

Deno.test("what an app says when it is asked to end is recorded, and the pod's status", () => {
  const life = pod("a", "b");
  life.begin();
  assertEquals(life.stop(), [signal("b", SIGTERM), WAIT]);
  assertEquals(life.ended("b", { status: 3 }), [saveStatus("b", 3), signal("a", SIGTERM), WAIT]);
  assertEquals(life.patienceEnded(), [signal("a", SIGKILL)]);
  assertEquals(life.ended("a", { signal: SIGKILL }), [saveStatus("a", 137)]);
  assertEquals(life.status, 3);
  assert(life.isOver);
});

Deno.test("apps are asked backwards, each by its own signal and with its own time", () => {
  const life = pod(
    { name: "a", stop: { signal: SIGINT, patience: 60_000 } },
    "b",
    { name: "c", stop: { signal: SIGQUIT, patience: 5_000 } },
  );
  life.begin();
  assertEquals(life.stop(), [signal("c", SIGQUIT), wait(5_000)]);
  assertEquals(life.ended("c", { signal: SIGQUIT }), [
    saveStatus("c", 0),
    signal("b", SIGTERM),
    WAIT,
  ]);
  assertEquals(life.patienceEnded(), [signal("b", SIGKILL)]);
  assertEquals(life.ended("b", { signal: SIGKILL }), [
    saveStatus("b", 137),
    signal("a", SIGINT),
    wait(60_000),
  ]);
  assertEquals(life.ended("a", { signal: SIGINT }), [saveStatus("a", 0)]);
  assertEquals(life.status, 137);
});

Deno.test("an app that ends before its turn is passed over", () => {
  const life = pod("a", "b", "c");
  life.begin();
  life.stop();
  assertEquals(life.ended("b", { signal: SIGTERM }), [saveStatus("b", 0)]);
  assertEquals(life.ended("c", OK), [saveStatus("c", 0), signal("a", SIGTERM), WAIT]);
});

Deno.test("an app that another signal than its own ends has failed, whenever that is", () => {
  const life = pod({ name: "a", stop: { signal: SIGQUIT, patience: 1_000 } });
  life.begin();
  life.stop();
  assertEquals(life.ended("a", { signal: SIGTERM }), [saveStatus("a", 143)]);
  assertEquals(life.status, 143);
});

Deno.test("an app that has no time is killed, and not asked", () => {
  const life = pod("a", { name: "b", stop: { signal: SIGTERM, patience: 0 } });
  life.begin();
  assertEquals(life.stop(), [signal("b", SIGKILL)]);
  assertEquals(life.ended("b", { signal: SIGKILL }), [
    saveStatus("b", 137),
    signal("a", SIGTERM),
    WAIT,
  ]);
});

Deno.test("the app before is asked when a post-stop handler has ended, or has had its time", () => {
  const life = pod("a", { name: "b", hasPostStop: true });
  life.begin();
  life.stop();
  assertEquals(life.ended("b", OK), [
    saveStatus("b", 0),
    start("b", "post-stop"),
    wait(HANDLER_PATIENCE),
  ]);
  assertEquals(life.patienceEnded(), [signal("b", SIGKILL)]);
  assertEquals(life.ended("b", { signal: SIGKILL }), [signal("a", SIGTERM), WAIT]);
});

Deno.test("of a pod that is in a hurry, handlers run, and nothing is asked", () => {
  const life = pod({ name: "a", hasPostStop: true }, "b");
  life.begin();
  life.stop();
  assertEquals(life.stop(), [signal("a", SIGKILL), signal("b", SIGKILL)]);
  assertEquals(life.ended("b", { signal: SIGKILL }), [saveStatus("b", 137)]);
  assertEquals(life.ended("a", { signal: SIGKILL }), [
    saveStatus("a", 137),
    start("a", "post-stop"),
    wait(HANDLER_PATIENCE),
  ]);
});

Deno.test("being asked twice, a pod does not wait", () => {
  const life = pod("a");
  life.begin();
  life.stop();
  assertEquals(life.stop(), [signal("a", SIGKILL)]);
});

Deno.test("a pod that is killed by force starts no handler any more", () => {
  const life = pod({ name: "a", hasPostStop: true });
  life.begin();
  assertEquals(life.kill(), [signal("a", SIGKILL)]);
  assertEquals(life.ended("a", { signal: SIGKILL }), [saveStatus("a", 137)]);
  assertEquals(life.status, 137);
  assert(life.isOver);
});

Deno.test("handlers go before and after the app", () => {
  const life = pod({ name: "a", hasPreStart: true, hasPostStop: true });
  assertEquals(life.begin(), [start("a", "pre-start")]);
  assertEquals(life.ended("a", OK), [start("a")]);
  assertEquals(life.ended("a", { status: 1 }), [saveStatus("a", 1), start("a", "post-stop")]);
  assert(!life.isOver);
  assertEquals(life.ended("a", { status: 9 }), []);
  assert(life.isOver);
  assertEquals(life.status, 1);
});

Deno.test("an app whose pre-start handler fails is not started", () => {
  const life = pod({ name: "a", hasPreStart: true, hasPostStop: true }, "b");
  life.begin();
  assertEquals(life.ended("a", { status: 2 }), [saveStatus("a", 2), signal("b", SIGTERM), WAIT]);
});

Deno.test("an app that is asked to end during its pre-start handler is not started either", () => {
  const life = pod({ name: "a", hasPreStart: true });
  life.begin();
  assertEquals(life.stop(), [signal("a", SIGTERM), WAIT]);
  assertEquals(life.ended("a", OK), [saveStatus("a", 0)]);
  assert(life.isOver);
});

Deno.test("a post-stop handler is left in peace until patience ends", () => {
  const life = pod({ name: "a", hasPostStop: true });
  life.begin();
  life.ended("a", OK);
  assertEquals(life.stop(), [wait(HANDLER_PATIENCE)]);
  assertEquals(life.stop(), [signal("a", SIGKILL)]);
});

Deno.test("a post-stop handler that nobody waits for has all the time it wants", () => {
  const life = pod("a", { name: "b", hasPostStop: true });
  life.begin();
  life.ended("a", OK);
  assertEquals(life.ended("b", { status: 4 }), [saveStatus("b", 4), start("b", "post-stop")]);
});

Deno.test("a pre-start handler is asked by SIGTERM, whatever its app wants", () => {
  const life = pod({ name: "a", hasPreStart: true, stop: { signal: SIGQUIT, patience: 1 } });
  life.begin();
  assertEquals(life.stop(), [signal("a", SIGTERM), wait(HANDLER_PATIENCE)]);
  assertEquals(life.ended("a", { signal: SIGTERM }), [saveStatus("a", 0)]);
});

Deno.test("an app of another pod is no event of this one's", () => {
  assertThrows(() => pod("a").ended("b", OK), Error, "b: not an app of this pod");
});
