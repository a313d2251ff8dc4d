import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Action, type Living, PodLife, STOP_PATIENCE } from "./life.ts";

const SIGKILL = 9;
const SIGTERM = 15;
const OK = { status: 0 };

function pod(...apps: (string | Living)[]): PodLife {
  return new PodLife(
    apps.map((app) =>
      typeof app === "string" ? { name: app, hasPreStart: false, hasPostStop: false } : app
    ),
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

const WAIT: Action = { do: "wait", milliseconds: STOP_PATIENCE };

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
  assertEquals(life.stop(), [signal("a", SIGTERM), signal("b", SIGTERM), WAIT]);
  assertEquals(life.ended("a", { status: 3 }), [saveStatus("a", 3)]);
  assertEquals(life.patienceEnded(), [signal("b", SIGKILL)]);
  assertEquals(life.ended("b", { signal: SIGKILL }), [saveStatus("b", 137)]);
  assertEquals(life.status, 3);
  assert(life.isOver);
});

Deno.test("being asked twice, a pod does not wait", () => {
  const life = pod("a");
  life.begin();
  life.stop();
  assertEquals(life.stop(), [signal("a", SIGKILL)]);
});

Deno.test("a pod that is killed by force starts no handler any more", () => {
  const life = pod({ name: "a", hasPreStart: false, hasPostStop: true });
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
  const life = pod({ name: "a", hasPreStart: true, hasPostStop: false });
  life.begin();
  assertEquals(life.stop(), [signal("a", SIGTERM), WAIT]);
  assertEquals(life.ended("a", OK), [saveStatus("a", 0)]);
  assert(life.isOver);
});

Deno.test("a post-stop handler is left in peace until patience ends", () => {
  const life = pod({ name: "a", hasPreStart: false, hasPostStop: true });
  life.begin();
  life.ended("a", OK);
  assertEquals(life.stop(), []);
  assertEquals(life.stop(), [signal("a", SIGKILL)]);
});

Deno.test("an app of another pod is no event of this one's", () => {
  assertThrows(() => pod("a").ended("b", OK), Error, "b: not an app of this pod");
});
