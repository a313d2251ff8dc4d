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

function wait(app: string, milliseconds = USUAL_STOP.patience): Action {
  return { do: "wait", app, milliseconds };
}

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
  assertEquals(life.ended("a", { status: 5 }), [
    saveStatus("a", 5),
    signal("b", SIGTERM),
    wait("b"),
  ]);
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
  assertEquals(life.stop(), [signal("b", SIGTERM), wait("b")]);
  assertEquals(life.ended("b", { status: 3 }), [
    saveStatus("b", 3),
    signal("a", SIGTERM),
    wait("a"),
  ]);
  assertEquals(life.patienceEnded("a"), [signal("a", SIGKILL)]);
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
  assertEquals(life.stop(), [signal("c", SIGQUIT), wait("c", 5_000)]);
  assertEquals(life.ended("c", { signal: SIGQUIT }), [
    saveStatus("c", 0),
    signal("b", SIGTERM),
    wait("b"),
  ]);
  assertEquals(life.patienceEnded("b"), [signal("b", SIGKILL)]);
  assertEquals(life.ended("b", { signal: SIGKILL }), [
    saveStatus("b", 137),
    signal("a", SIGINT),
    wait("a", 60_000),
  ]);
  assertEquals(life.ended("a", { signal: SIGINT }), [saveStatus("a", 0)]);
  assertEquals(life.status, 137);
});

Deno.test("an app that ends before its turn is passed over", () => {
  const life = pod("a", "b", "c");
  life.begin();
  life.stop();
  assertEquals(life.ended("b", { signal: SIGTERM }), [saveStatus("b", 0)]);
  assertEquals(life.ended("c", OK), [saveStatus("c", 0), signal("a", SIGTERM), wait("a")]);
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
    wait("a"),
  ]);
});

Deno.test("the app before is asked when a post-stop handler has ended, or has had its time", () => {
  const life = pod("a", { name: "b", hasPostStop: true });
  life.begin();
  life.stop();
  assertEquals(life.ended("b", OK), [
    saveStatus("b", 0),
    start("b", "post-stop"),
    wait("b", HANDLER_PATIENCE),
  ]);
  assertEquals(life.patienceEnded("b"), [signal("b", SIGKILL)]);
  assertEquals(life.ended("b", { signal: SIGKILL }), [signal("a", SIGTERM), wait("a")]);
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
    wait("a", HANDLER_PATIENCE),
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
  assertEquals(life.ended("a", { status: 2 }), [
    saveStatus("a", 2),
    signal("b", SIGTERM),
    wait("b"),
  ]);
});

Deno.test("an app that is asked to end during its pre-start handler is not started either", () => {
  const life = pod({ name: "a", hasPreStart: true });
  life.begin();
  assertEquals(life.stop(), [signal("a", SIGTERM), wait("a")]);
  assertEquals(life.ended("a", OK), [saveStatus("a", 0)]);
  assert(life.isOver);
});

Deno.test("a post-stop handler is left in peace until patience ends", () => {
  const life = pod({ name: "a", hasPostStop: true });
  life.begin();
  life.ended("a", OK);
  assertEquals(life.stop(), [wait("a", HANDLER_PATIENCE)]);
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
  assertEquals(life.stop(), [signal("a", SIGTERM), wait("a", HANDLER_PATIENCE)]);
  assertEquals(life.ended("a", { signal: SIGTERM }), [saveStatus("a", 0)]);
});

Deno.test("an app of another pod is no event of this one's", () => {
  assertThrows(() => pod("a").ended("b", OK), Error, "b: not an app of this pod");
});

/** A mutable pod in which these apps run. */
function sandbox(...apps: (string | Pick<Living, "name"> & Partial<Living>)[]): PodLife {
  const life = new PodLife([], true);
  const usual = { hasPreStart: false, hasPostStop: false, stop: USUAL_STOP };
  for (const app of apps) {
    const living = { ...usual, ...(typeof app === "string" ? { name: app } : app) };
    life.add(living);
    life.startApp(living.name);
  }
  return life;
}

Deno.test("a mutable pod begins empty, is ready, and ends only when it is asked to", () => {
  const life = sandbox();
  assertEquals(life.begin(), []);
  assert(life.isReady);
  assert(!life.isOver);
  assertEquals(life.stop(), []);
  assert(life.isOver);
  assertEquals(life.status, 0);
});

Deno.test("an app that fails in a mutable pod takes no other down, and can be started again", () => {
  const life = sandbox("a", "b");
  assertEquals(life.ended("a", { status: 5 }), [saveStatus("a", 5)]);
  assert(!life.isStopping);
  assertEquals(life.phaseOf("a"), "ended");
  assertEquals(life.startApp("a"), [start("a")]);
  assertEquals(life.ended("a", OK), [saveStatus("a", 0)]);
  assertEquals(life.ended("b", { signal: 11 }), [saveStatus("b", 139)]);
  assert(!life.isOver);
  assertEquals(life.status, 0);
});

Deno.test("an app that is asked to end, once, has its own time, and others go on", () => {
  const life = sandbox({ name: "a", stop: { signal: SIGINT, patience: 5_000 } }, "b");
  assertEquals(life.stopApp("a"), [signal("a", SIGINT), wait("a", 5_000)]);
  assertEquals(life.stopApp("a"), []);
  assertEquals(life.patienceEnded("a"), [signal("a", SIGKILL)]);
  assertEquals(life.ended("a", { signal: SIGINT }), [saveStatus("a", 0)]);
  assertEquals(life.patienceEnded("a"), []);
  assertEquals(life.stopApp("a"), []);
  assertEquals(life.phaseOf("b"), "running");
});

Deno.test("an app that has been stopped and started again is asked again", () => {
  const life = sandbox("a");
  life.stopApp("a");
  life.ended("a", OK);
  life.startApp("a");
  assertEquals(life.stopApp("a"), [signal("a", SIGTERM), wait("a")]);
  assertEquals(life.ended("a", { signal: SIGTERM }), [saveStatus("a", 0)]);
  life.startApp("a");
  assertEquals(life.ended("a", { signal: SIGTERM }), [saveStatus("a", 143)]);
});

Deno.test("whoever stops an app waits for its post-stop handler, and not for ever", () => {
  const life = sandbox({ name: "a", hasPostStop: true }, { name: "b", hasPostStop: true });
  life.stopApp("a");
  assertEquals(life.ended("a", OK), [
    saveStatus("a", 0),
    start("a", "post-stop"),
    wait("a", HANDLER_PATIENCE),
  ]);
  assertEquals(life.ended("b", OK), [saveStatus("b", 0), start("b", "post-stop")]);
  assertEquals(life.stopApp("b"), [wait("b", HANDLER_PATIENCE)]);
  assertEquals(life.ended("a", OK), []);
  assertEquals(life.phaseOf("a"), "ended");
});

Deno.test("an app that is asked to end during its pre-start handler is not started", () => {
  const life = sandbox({ name: "a", hasPreStart: true });
  assertEquals(life.stopApp("a"), [signal("a", SIGTERM), wait("a", HANDLER_PATIENCE)]);
  assertEquals(life.ended("a", OK), [saveStatus("a", 0)]);
});

Deno.test("a mutable pod ends backwards by when its apps were started last", () => {
  const life = sandbox("a", "b", "c");
  life.ended("a", OK);
  life.startApp("a");
  life.stopApp("b");
  assertEquals(life.stop(), [signal("a", SIGTERM), wait("a")]);
  assertEquals(life.ended("a", OK), [saveStatus("a", 0), signal("c", SIGTERM), wait("c")]);
  // It has been asked before.
  assertEquals(life.ended("c", OK), [saveStatus("c", 0)]);
  assert(!life.isOver);
  assertEquals(life.ended("b", OK), [saveStatus("b", 0)]);
  assert(life.isOver);
});

Deno.test("an app that could not be started has the status of that", () => {
  const life = sandbox({ name: "a", hasPostStop: true });
  assertEquals(life.notStarted("a"), [saveStatus("a", 254)]);
  life.startApp("a");
  life.ended("a", OK);
  assertEquals(life.notStarted("a"), []);
});

Deno.test("an app that is removed is no app of the pod any more, and may be added anew", () => {
  const life = sandbox("a");
  life.ended("a", { status: 1 });
  life.remove("a");
  assertEquals(life.phaseOf("a"), undefined);
  assertThrows(() => life.startApp("a"), Error, "a: not an app of this pod");
  life.add({ name: "a", hasPreStart: true, hasPostStop: false, stop: USUAL_STOP });
  assertEquals(life.startApp("a"), [start("a", "pre-start")]);
});
