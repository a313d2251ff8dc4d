import { assertEquals, assertThrows } from "@std/assert";
import { DoubleOfPod } from "./supervisor_testing.ts";

const SIGKILL = 9;
const SIGTERM = 15;
const OK = { status: 0 };
const DONE = { ok: {} };

/** A pod that is asked to end after all that a test has happen. */
function sandbox(): DoubleOfPod {
  return new DoubleOfPod().mutable();
}

Deno.test("an app is added, started, and removed, and nothing of it stays open", () => {
  const pod = sandbox();
  const add = pod.ask(10, "add", "a");
  pod.build(20, add);
  const start = pod.ask(30, "start", "a");
  pod.launch(40, start, "a", "running").at(50, { ended: "a", end: { status: 3 } });
  const remove = pod.ask(60, "remove", "a");
  pod.at(70, { signal: SIGTERM });
  assertEquals(pod.run(), 0);
  assertEquals(add.answers, [DONE, DONE]);
  assertEquals(start.answers, [{ launch: ["running"] }, DONE]);
  assertEquals(remove.answers, [DONE]);
  assertEquals(pod.log.filter((line) => !line.endsWith("ready")), [
    "0 begun",
    "0 all started",
    "20 added a",
    "30 fresh a",
    "50 sweep a",
    "50 save a: 3",
    "60 removed a",
    "70 stopping",
    "70 end",
    "70 rest",
    "70 over",
  ]);
});

Deno.test("a name is kept for one client, until that has gone", () => {
  const pod = sandbox();
  const first = pod.ask(10, "add", "a");
  const second = pod.ask(20, "add", "a");
  const remove = pod.ask(25, "remove", "a");
  pod.at(30, { client: () => first.leave() });
  const third = pod.ask(40, "add", "a");
  pod.build(50, third);
  const fourth = pod.ask(60, "add", "a");
  pod.ask(70, "remove", "a");
  pod.at(80, { signal: SIGTERM }).run();
  assertEquals(second.answers, [{ error: 'app "a": it is being added' }]);
  assertEquals(remove.answers, [{ error: 'app "a": it is being added' }]);
  assertEquals(third.answers, [DONE, DONE]);
  assertEquals(fourth.answers, [{ error: 'app "a": the pod has it already' }]);
});

Deno.test("what is handed over in part is given back, and the name is free again", () => {
  const pod = sandbox();
  const add = pod.ask(10, "add", "a");
  pod.at(20, { client: () => add.say({ added: {}, notes: [] }, []) });
  const again = pod.ask(30, "add", "a");
  pod.build(40, again);
  pod.ask(50, "remove", "a");
  pod.at(60, { signal: SIGTERM }).run();
  assertEquals(add.answers.length, 2);
  assertEquals(again.answers, [DONE, DONE]);
});

Deno.test("what is noted of an app is told, and one that cannot be built gives its name back", () => {
  const pod = sandbox();
  const failing = pod.ask(10, "add", "a");
  pod.at(20, { client: () => failing.say({ failed: "apps[0].app.user: none" }, []) });
  const add = pod.ask(30, "add", "a");
  pod.build(40, add, {}, ["memory: ignored", "cpu: ignored"]);
  pod.ask(50, "remove", "a");
  pod.at(60, { signal: SIGTERM }).run();
  assertEquals(failing.answers, [DONE, { error: "apps[0].app.user: none" }]);
  assertEquals(add.answers, [DONE, DONE]);
  assertEquals(pod.done("app-add:"), [
    "40 app-add: memory: ignored",
    "40 app-add: cpu: ignored",
  ]);
});

Deno.test("an app that has ended is started again, with a fresh status", () => {
  const pod = sandbox().begin(10, "a").at(20, { ended: "a", end: { status: 1 } });
  pod.launch(40, pod.ask(30, "start", "a"), "a", "running");
  const running = pod.ask(50, "start", "a");
  pod.at(60, { ended: "a", end: OK });
  pod.ask(70, "remove", "a");
  pod.at(80, { signal: SIGTERM }).run();
  assertEquals(running.answers, [DONE]);
  assertEquals(pod.done("fresh"), ["10 fresh a", "30 fresh a"]);
  assertEquals(pod.done("save"), ["20 save a: 1", "60 save a: 0"]);
});

Deno.test("who stops an app waits until it has ended, with its own time", () => {
  const pod = sandbox().begin(10, "a", { stop: { signal: 3, patience: 5_000 } });
  const stop = pod.ask(1_000, "stop", "a");
  const another = pod.ask(2_000, "stop", "a");
  const again = pod.ask(3_000, "start", "a");
  pod.at(7_000, { ended: "a", end: { signal: SIGKILL } });
  pod.launch(7_500, again, "a", "running").at(8_000, { ended: "a", end: OK });
  const late = pod.ask(9_000, "stop", "a");
  const unknown = pod.ask(9_000, "stop", "b");
  pod.ask(9_500, "remove", "a");
  pod.at(10_000, { signal: SIGTERM }).run();
  assertEquals(pod.done("signal"), [
    "1000 signal 3 a",
    "1000 signal 18 a",
    "6000 signal 9 a",
  ]);
  assertEquals([stop.answers, another.answers], [[DONE], [DONE]]);
  assertEquals(again.answers, [{ launch: ["running"] }, DONE]);
  assertEquals([late.answers, unknown.answers], [[DONE], [DONE]]);
});

Deno.test("an app that runs is stopped before it is removed, by several who ask", () => {
  const pod = sandbox().begin(10, "a");
  const removals = [20, 30].map((at) => pod.ask(at, "remove", "a"));
  pod.at(40, { ended: "a", end: { signal: SIGTERM } });
  const unknown = pod.ask(50, "remove", "a");
  pod.at(60, { signal: SIGTERM }).run();
  assertEquals(removals.map(({ answers }) => answers), [[DONE], [DONE]]);
  assertEquals(unknown.answers, [DONE]);
  assertEquals(pod.done("removed"), ["40 removed a"]);
  assertEquals(pod.done("save"), ["40 save a: 0"]);
});

Deno.test("handlers go before and after the app, and the last one is made ready with it", () => {
  const pod = sandbox();
  const fields = { preStart: "apps[0].pre", postStop: "apps[0].post" };
  pod.build(10, pod.ask(10, "add", "a"), fields);
  const start = pod.ask(20, "start", "a");
  pod.launch(20, start, "a", "pre-start").at(30, { ended: "a", end: OK });
  pod.launch(40, start, "a", "running", "post-stop").at(50, { ended: "a", end: OK });
  pod.at(60, { ended: "a", end: OK });
  pod.ask(70, "remove", "a");
  pod.at(80, { signal: SIGTERM }).run();
  assertEquals(start.answers, [
    { launch: ["pre-start"] },
    { launch: ["running", "post-stop"] },
    DONE,
  ]);
  assertEquals(pod.done("go"), ["50 go a"]);
  assertEquals(pod.done("sweep").length, 3);
});

Deno.test("a pre-start handler that fails is told to who starts the app", () => {
  const pod = sandbox();
  pod.build(10, pod.ask(10, "add", "a"), { preStart: "apps[0].pre" });
  const start = pod.ask(20, "start", "a");
  pod.launch(20, start, "a", "pre-start").at(30, { ended: "a", end: { status: 2 } });
  pod.ask(70, "remove", "a");
  pod.at(80, { signal: SIGTERM }).run();
  assertEquals(start.answers.at(-1), { error: "apps[0].pre: has not ended well" });
  assertEquals(pod.done("save"), ["30 save a: 2"]);
});

Deno.test("what cannot be launched has the status of that, and ends nothing else", () => {
  const pod = sandbox().begin(10, "b");
  pod.build(10, pod.ask(10, "add", "a"), { postStop: "apps[0].post" });
  const start = pod.ask(20, "start", "a");
  pod.at(30, { client: () => start.say({ failed: "apps[0].app.exec[0]: not found" }, []) });
  pod.ask(40, "remove", "a");
  pod.at(50, { ended: "b", end: OK });
  pod.ask(60, "remove", "b");
  pod.at(70, { signal: SIGTERM });
  assertEquals(pod.run(), 0);
  assertEquals(start.answers.at(-1), { error: "apps[0].app.exec[0]: not found" });
  assertEquals(pod.done("save"), ["30 save a: 254", "50 save b: 0"]);
});

Deno.test("an app that a client asks to start, and goes at once, is said not to be started", () => {
  const pod = sandbox();
  pod.build(10, pod.ask(10, "add", "a"));
  pod.ask(20, "start", "a").send = () => false;
  pod.at(30, { signal: SIGTERM });
  assertEquals(pod.run(), 0);
  const why = 'app "a": was not started: whoever asked for that has gone';
  assertEquals(pod.done("say"), [`20 say ${why}`]);
  assertEquals(pod.done("save"), ["20 save a: 254"]);
});

Deno.test("what a client had begun to start is undone when it goes", () => {
  const pod = sandbox();
  pod.build(10, pod.ask(10, "add", "a"), { preStart: "apps[0].pre" });
  const before = pod.ask(20, "start", "a");
  pod.at(30, { client: () => before.leave() });
  const during = pod.ask(40, "start", "a");
  pod.launch(40, during, "a", "pre-start").at(50, { client: () => during.leave() });
  const next = pod.ask(55, "start", "a");
  pod.at(60, { ended: "a", end: { signal: SIGKILL } });
  pod.launch(70, next, "a", "pre-start").at(80, { ended: "a", end: OK });
  pod.launch(90, next, "a", "running").at(100, { ended: "a", end: OK });
  pod.ask(110, "remove", "a");
  pod.at(120, { signal: SIGTERM }).run();
  assertEquals(pod.done("save"), ["30 save a: 254", "60 save a: 137", "100 save a: 0"]);
  assertEquals(pod.done("signal"), ["50 signal 9 a"]);
  assertEquals(next.answers.at(-1), DONE);
});

Deno.test("an app that is stopped while it is being started does not start", () => {
  const pod = sandbox();
  pod.build(10, pod.ask(10, "add", "a"));
  const start = pod.ask(20, "start", "a");
  const second = pod.ask(25, "start", "a");
  const stop = pod.ask(30, "stop", "a");
  pod.ask(40, "remove", "a");
  pod.at(50, { signal: SIGTERM }).run();
  assertEquals(second.answers, [{ error: 'app "a": it is being started' }]);
  assertEquals(start.answers.at(-1), { error: 'app "a": it was stopped before it had started' });
  assertEquals(stop.answers, [DONE]);
  assertEquals(pod.done("save"), ["30 save a: 254"]);
});

Deno.test("an app that is to be started and removed when it has ended is removed", () => {
  const pod = sandbox().begin(10, "a");
  const stop = pod.ask(20, "stop", "a");
  const start = pod.ask(30, "start", "a");
  const remove = pod.ask(40, "remove", "a");
  pod.at(50, { ended: "a", end: OK });
  const late = pod.ask(60, "start", "a");
  pod.at(70, { signal: SIGTERM });
  assertEquals(pod.run(), 0);
  assertEquals([stop.answers, remove.answers], [[DONE], [DONE]]);
  assertEquals(start.answers.at(-1), { error: 'app "a": it was stopped before it had started' });
  assertEquals(late.answers, [{ error: 'the pod has no app "a"' }]);
  assertEquals(pod.done("removed"), ["50 removed a"]);
});

Deno.test("a pod that is to end takes nothing more, and ends its apps backwards", () => {
  const pod = sandbox().begin(10, "a").begin(20, "b");
  pod.build(30, pod.ask(30, "add", "c"));
  const starting = pod.ask(40, "start", "c");
  const adding = pod.ask(50, "add", "d");
  pod.at(60, { signal: SIGTERM });
  const late = [pod.ask(70, "add", "e"), pod.ask(70, "start", "a")];
  pod.at(80, { ended: "b", end: { signal: SIGTERM } });
  pod.at(90, { ended: "a", end: { signal: SIGTERM } });
  assertEquals(pod.run(), 0);
  assertEquals(starting.answers.at(-1), {
    error: 'app "c": it was stopped before it had started',
  });
  for (const { answers } of [adding, ...late]) {
    assertEquals(answers.at(-1), { error: "the pod is being stopped" });
  }
  assertEquals(pod.done("signal"), [
    "60 signal 15 b",
    "60 signal 18 b",
    "80 signal 15 a",
    "80 signal 18 a",
  ]);
});

Deno.test("a mutable pod ends with its first process, also when it has no app", () => {
  const pod = sandbox().at(10, { first: "ends" });
  assertThrows(() => pod.run(), Error, "the pod's first process has ended");
  assertEquals(pod.log.filter((line) => line.startsWith("10 ")).includes("10 end"), true);
});

Deno.test("an error about one app ends neither the pod nor another app", () => {
  const pod = sandbox().begin(10, "a").begin(20, "b");
  pod.hooks.sweep = () => {
    throw new Error("its cgroup is gone");
  };
  pod.at(30, { ended: "a", end: OK });
  const stop = pod.ask(40, "stop", "b");
  pod.at(50, { ended: "b", end: OK });
  pod.at(60, { signal: SIGTERM });
  assertEquals(pod.run(), 0);
  assertEquals(pod.done("say"), ["30 say its cgroup is gone", "50 say its cgroup is gone"]);
  assertEquals(stop.answers, [DONE]);
});
