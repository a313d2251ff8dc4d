import { assertEquals, assertThrows } from "@std/assert";
import { CATCHABLE_SIGNALS } from "../linux/signal_numbers.ts";
import type { End } from "../linux/wait.ts";
import { BY_FORCE } from "../process/supervisor_process.ts";
import { ToldError } from "../stage1/entrypoint.ts";
import { DoubleOfPod } from "./supervisor_testing.ts";

const [SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGTERM, SIGCHLD, SIGCONT] = [1, 2, 9, 13, 15, 17, 18];
const [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGXFSZ] = [19, 20, 21, 22, 28, 25];
const OK: End = { status: 0 };

Deno.test("apps start in order, and the pod is over with the last of them", () => {
  const pod = new DoubleOfPod("a", "b")
    .at(10, { ended: "b", end: OK })
    .at(20, { ended: "a", end: OK });
  assertEquals(pod.run(), 0);
  assertEquals(pod.log, [
    "0 start a: running",
    "0 start b: running",
    "0 begun",
    "0 all started",
    "0 ready",
    "10 sweep b",
    "10 save b: 0",
    "20 sweep a",
    "20 save a: 0",
    "20 end",
    "20 rest",
    "20 over",
  ]);
});

Deno.test("what apps have written is passed on while they run", () => {
  const pod = new DoubleOfPod("a").at(5, { written: "hello" }).at(9, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.done("pass"), ["5 pass hello"]);
});

Deno.test("an app that starts gets the descriptor of a process that ended with others", () => {
  const pod = new DoubleOfPod({ name: "a", hasPreStart: true, hasPostStop: false }, "b")
    .at(10, { ended: "a", end: OK }, { ended: "b", end: OK })
    .at(20, { ended: "a", end: OK });
  assertEquals(pod.run(), 0);
  assertEquals(pod.done("save"), ["10 save b: 0", "20 save a: 0"]);
});

Deno.test("a pre-start handler ends before its app starts, and others do not wait for it", () => {
  const pod = new DoubleOfPod({ name: "a", hasPreStart: true, hasPostStop: true }, "b")
    .at(10, { ended: "a", end: OK })
    .at(20, { ended: "b", end: OK })
    .at(30, { ended: "a", end: OK })
    .at(40, { ended: "a", end: OK });
  assertEquals(pod.run(), 0);
  assertEquals(pod.done("start"), [
    "0 start a: pre-start",
    "0 start b: running",
    "10 start a: running",
    "30 start a: post-stop",
  ]);
  assertEquals(pod.done("save"), ["20 save b: 0", "30 save a: 0"]);
  assertEquals(pod.done("sweep").length, 4);
});

Deno.test("the pod has begun once, although an app still waits for its pre-start handler", () => {
  const pod = new DoubleOfPod({ name: "a", hasPreStart: true, hasPostStop: false }, "b")
    .at(10, { ended: "a", end: OK })
    .at(20, { ended: "b", end: OK }, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.log.slice(0, 5), [
    "0 start a: pre-start",
    "0 start b: running",
    "0 begun",
    "10 sweep a",
    "10 start a: running",
  ]);
  assertEquals(pod.done("begun"), ["0 begun"]);
});

Deno.test("a pod is ready once every app's own program has been started", () => {
  const pod = new DoubleOfPod({ name: "a", hasPreStart: true, hasPostStop: false }, "b")
    .at(10, { ended: "b", end: OK })
    .at(20, { ended: "a", end: OK })
    .at(30, { written: "hello" })
    .at(40, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.done("ready"), ["20 ready"]);
});

Deno.test("a pod whose app is never started is never ready", () => {
  const pod = new DoubleOfPod({ name: "a", hasPreStart: true, hasPostStop: false }, "b")
    .at(10, { ended: "a", end: { status: 3 } })
    .at(20, { ended: "b", end: { signal: SIGTERM } });
  pod.run();
  assertEquals(pod.done("ready"), []);
});

Deno.test("a handler's failure is said, and its app is not started", () => {
  const pod = new DoubleOfPod({ name: "a", hasPreStart: true, hasPostStop: false })
    .at(10, { ended: "a", end: { status: 3 } });
  assertEquals(pod.run(), 3);
  assertEquals(pod.done("start"), ["0 start a: pre-start"]);
  assertEquals(pod.done("say"), ["10 say a.pre-start: ended with status 3"]);
  assertEquals(pod.done("save"), ["10 save a: 3"]);
});

Deno.test("a handler that a signal ends has failed too, and an app's failure is not said", () => {
  const pod = new DoubleOfPod({ name: "a", hasPreStart: false, hasPostStop: true })
    .at(10, { ended: "a", end: { status: 1 } })
    .at(20, { ended: "a", end: { signal: SIGKILL } });
  assertEquals(pod.run(), 1);
  assertEquals(pod.done("say"), ["20 say a.post-stop: ended by signal 9"]);
});

Deno.test("the first failure asks all others to end, backwards, with 30 seconds for each", () => {
  const pod = new DoubleOfPod("a", "b", "c")
    .at(1_000, { ended: "b", end: { status: 5 } })
    .at(2_000, { ended: "c", end: { signal: SIGTERM } })
    .at(32_001, { ended: "a", end: { signal: SIGKILL } });
  assertEquals(pod.run(), 5);
  assertEquals(pod.done("signal"), [
    "1000 signal 15 c",
    "1000 signal 18 c",
    "2000 signal 15 a",
    "2000 signal 18 a",
    "32000 signal 9 a",
  ]);
  assertEquals(pod.done("save"), ["1000 save b: 5", "2000 save c: 0", "32001 save a: 137"]);
});

Deno.test("SIGTERM asks apps to end, and kills them after 30 seconds", () => {
  const pod = new DoubleOfPod("a")
    .at(500, { signal: SIGTERM })
    .at(40_000, { ended: "a", end: { signal: SIGKILL } });
  assertEquals(pod.run(), 137);
  assertEquals(pod.done("signal"), ["500 signal 15 a", "500 signal 18 a", "30500 signal 9 a"]);
});

Deno.test("an app that is asked by a signal of its own goes on, to be able to end", () => {
  const pod = new DoubleOfPod({ name: "a", stop: { signal: 3, patience: 2_000 } })
    .at(500, { signal: SIGTERM })
    .at(3_000, { ended: "a", end: { signal: SIGKILL } });
  assertEquals(pod.run(), 137);
  assertEquals(pod.done("signal"), ["500 signal 3 a", "500 signal 18 a", "2500 signal 9 a"]);
});

Deno.test("SIGINT by force kills apps, and starts no handler although an app has ended", () => {
  const pod = new DoubleOfPod({ name: "a", hasPreStart: false, hasPostStop: true })
    .at(
      500,
      { signal: SIGINT, value: BY_FORCE },
      { ended: "a", end: { signal: SIGKILL } },
    );
  assertEquals(pod.run(), 137);
  assertEquals(pod.done("signal").length, 1);
  assertEquals(pod.done("start"), ["0 start a: running"]);
});

for (const [name, signal] of [["SIGTERM", SIGTERM], ["SIGINT", SIGINT], ["SIGQUIT", 3]] as const) {
  Deno.test(`${name} asks apps to end, and kills them when it comes again`, () => {
    const pod = new DoubleOfPod("a", "b")
      .at(500, { signal })
      .at(700, { signal: SIGTERM })
      .at(800, { ended: "a", end: { signal: SIGKILL } }, { ended: "b", end: { signal: SIGTERM } });
    assertEquals(pod.run(), 137);
    assertEquals(pod.done("signal"), [
      "500 signal 15 b",
      "500 signal 18 b",
      "700 signal 9 a",
      "700 signal 9 b",
    ]);
  });
}

Deno.test("a signal that ends a pod does so once the apps are already asked to end", () => {
  const pod = new DoubleOfPod("a", "b")
    .at(100, { ended: "a", end: { status: 1 } })
    .at(200, { signal: SIGTERM })
    .at(300, { ended: "b", end: { signal: SIGKILL } });
  assertEquals(pod.run(), 1);
  assertEquals(pod.done("signal"), ["100 signal 15 b", "100 signal 18 b", "200 signal 9 b"]);
});

Deno.test("a new size of the terminal reaches no app, and a SIGWINCH that somebody sends does", () => {
  const pod = new DoubleOfPod("a")
    .at(5, { signal: SIGWINCH, isKernels: true })
    .at(6, { signal: SIGWINCH })
    .at(9, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.done("resize"), ["5 resize", "6 resize"]);
  assertEquals(pod.done("signal"), ["6 signal 28 a"]);
});

Deno.test("every signal that does not concern the pod itself is passed on to all apps", () => {
  const own = [SIGINT, 3, SIGKILL, SIGTERM, SIGCHLD, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];
  const passed = CATCHABLE_SIGNALS.filter((signal) => !own.includes(signal));
  assertEquals([...own, ...passed].toSorted((a, b) => a - b), numbersTo(64));
  const pod = new DoubleOfPod("a", "b")
    .at(5, ...passed.map((signal) => ({ signal })))
    .at(9, { ended: "a", end: OK }, { ended: "b", end: OK });
  pod.run();
  const both = passed.flatMap((signal) => ["a", "b"].map((app) => `5 signal ${signal} ${app}`));
  assertEquals(pod.done("signal"), both);
});

function numbersTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1);
}

Deno.test("a broken pipe or a file too large of the supervisor's is none of the apps'", () => {
  const pod = new DoubleOfPod("a")
    .at(5, { signal: SIGPIPE, pid: Deno.pid }, { signal: SIGXFSZ, pid: Deno.pid })
    .at(9, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.done("signal"), []);
});

Deno.test("a key that the caller ignores does not end the pod, and stop --force does", () => {
  const pod = new DoubleOfPod("a")
    .ignoring(SIGINT)
    .at(5, { signal: SIGINT })
    .at(6, { signal: SIGINT, value: BY_FORCE })
    .at(9, { ended: "a", end: { signal: SIGKILL } });
  pod.run();
  assertEquals(pod.done("signal"), ["6 signal 9 a"]);
});

for (const signal of [SIGTSTP, SIGTTIN, SIGTTOU]) {
  Deno.test(`signal ${signal} stops the apps and the supervisor, and both go on together`, () => {
    const pod = new DoubleOfPod("a", "b")
      .whileStopped(SIGCONT, SIGHUP)
      .at(5, { signal })
      .at(9, { ended: "a", end: OK }, { ended: "b", end: OK });
    pod.run();
    const ofBoth = (what: number) =>
      ["a", "b"].flatMap((app) => [`5 signal ${what} ${app}`, `5 group ${what} ${app}`]);
    const from = pod.log.indexOf(`5 signal ${SIGSTOP} a`);
    assertEquals(pod.log.slice(from, from + 13), [
      ...ofBoth(SIGSTOP),
      "5 suspend",
      `5 stop by ${signal}`,
      "5 resume",
      ...ofBoth(SIGCONT),
      "5 signal 1 a",
      "5 signal 1 b",
    ]);
  });
}

Deno.test("a terminal's signal is left to apps that share the caller's session", () => {
  const signals = [{ signal: SIGINT, isKernels: true }, { signal: SIGTSTP, isKernels: true }];
  const pod = new DoubleOfPod("a")
    .inCallersSession()
    .at(5, ...signals, { signal: SIGHUP }, { signal: SIGTSTP })
    .at(9, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.done("signal"), ["5 signal 1 a", `5 signal ${SIGTSTP} a`]);
  assertEquals(pod.done("stop"), []);
});

Deno.test("the supervisor stops as its app in the caller's session stops, and has it go on", () => {
  const pod = new DoubleOfPod("a")
    .inCallersSession()
    .whileStopped(SIGCONT)
    .at(5, { stopped: "a", by: SIGTSTP })
    .at(9, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.log.slice(4, 7), ["5 stop by 20", "5 signal 18 a", "5 group 18 a"]);
});

Deno.test("an app that stops where no shell waits is left as it is", () => {
  const pod = new DoubleOfPod("a")
    .inCallersSession()
    .at(5, { stopped: "a", by: SIGSTOP })
    .at(9, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.done("signal"), []);
});

Deno.test("an app in a session of its own stops alone", () => {
  const pod = new DoubleOfPod("a")
    .at(5, { stopped: "a", by: SIGTSTP })
    .at(9, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.done("stop"), []);
});

Deno.test("strangers among the children are reaped, and neither apps nor the pod's pid 1", () => {
  const pod = new DoubleOfPod("a", "b")
    .at(5, { stranger: 4000 }, { stranger: 4001 })
    .at(6, { stranger: 4002 })
    .at(9, { ended: "a", end: OK }, { ended: "b", end: OK });
  pod.run();
  assertEquals(pod.done("reap"), ["5 reap 4000", "5 reap 4001", "6 reap 4002"]);
});

Deno.test("the escape keys kill all apps", () => {
  const pod = new DoubleOfPod("a", "b")
    .at(5, { escaped: true })
    .at(6, { ended: "a", end: { signal: SIGKILL } }, { ended: "b", end: { signal: SIGKILL } });
  assertEquals(pod.run(), 137);
  assertEquals(pod.done("signal").slice(0, 2), ["5 signal 9 a", "5 signal 9 b"]);
});

Deno.test("after three seconds in which nothing happens, memory is given back once", () => {
  const pod = new DoubleOfPod("a")
    .at(2_000, { written: "almost quiet" })
    .at(60_000, { written: "again" })
    .at(90_000, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.done("lean"), ["5000 lean"]);
});

Deno.test("a pod that is about to end gives no memory back", () => {
  const pod = new DoubleOfPod("a")
    .at(1_000, { signal: SIGTERM })
    .at(31_500, { ended: "a", end: { signal: SIGKILL } });
  pod.run();
  assertEquals(pod.done("signal"), ["1000 signal 15 a", "1000 signal 18 a", "31000 signal 9 a"]);
  assertEquals(pod.done("lean"), []);
});

Deno.test("a pod goes on where memory cannot be given back", () => {
  const pod = new DoubleOfPod("a").at(9_000, { ended: "a", end: OK });
  pod.kernel.giveBackMemory = () => {
    throw new Error("libc does not know how");
  };
  assertEquals(pod.run(), 0);
});

Deno.test("what happens to the pod's memory is looked at in time, however the apps are", () => {
  const pod = new DoubleOfPod("a", "b")
    .at(1_000, { short: true })
    .at(1_200, { written: "hello" })
    .at(9_000, { short: true })
    .at(9_100, { ended: "b", end: { signal: SIGKILL } })
    .at(9_200, { short: true })
    .at(20_000, { ended: "a", end: { signal: SIGTERM } });
  assertEquals(pod.run(), 137);
  assertEquals(pod.done("look"), ["1500 look", "9100 look", "9700 look"]);
  // Waiting for that is not yet quiet.
  assertEquals(pod.done("lean"), ["4500 lean"]);
});

Deno.test("the rest of the output waits for its reader, unless the pod is asked to end", () => {
  const pod = new DoubleOfPod("a").withStalledReader()
    .at(10, { ended: "a", end: OK })
    .at(60_000, { written: "the rest" })
    .at(80_000, { allRead: true });
  assertEquals(pod.run(), 0);
  assertEquals(pod.log.slice(-4), ["10 end", "10 rest", "60000 pass the rest", "80000 over"]);
});

Deno.test("when the pod was asked to end, the rest of the output has three seconds", () => {
  const pod = new DoubleOfPod("a").withStalledReader()
    .at(10, { signal: SIGTERM })
    .at(20, { ended: "a", end: OK })
    .at(1_000, { written: "some" });
  assertEquals(pod.run(), 0);
  assertEquals(pod.log.slice(-3), ["20 rest", "1000 pass some", "3020 over"]);
});

Deno.test("asked to end after the last app, the rest of the output has three more seconds", () => {
  const pod = new DoubleOfPod("a").withStalledReader()
    .at(20, { ended: "a", end: { status: 4 } })
    .at(5_000, { signal: SIGTERM });
  assertEquals(pod.run(), 4);
  assertEquals(pod.log.slice(-2), ["20 rest", "8000 over"]);
});

Deno.test("asked to end twice, the rest of the output is dropped", () => {
  const pod = new DoubleOfPod("a").withStalledReader()
    .at(20, { ended: "a", end: OK })
    .at(5_000, { signal: SIGTERM })
    .at(6_000, { signal: SIGHUP })
    .at(7_000, { signal: SIGINT });
  assertEquals(pod.run(), 0);
  assertEquals(pod.log.slice(-2), ["20 rest", "7000 over"]);
});

Deno.test("asked to end while its job is stopped, the rest of the output has three seconds", () => {
  const pod = new DoubleOfPod("a").withStalledReader().whileStopped(SIGTERM, SIGCONT)
    .at(20, { ended: "a", end: OK })
    .at(5_000, { signal: SIGTSTP });
  assertEquals(pod.run(), 0);
  assertEquals(pod.log.at(-1), "8000 over");
});

/** Has one of a pod's hooks fail, for one app if it is for apps. */
function failing(pod: DoubleOfPod, hook: "begun" | "end" | "ready" | "started" | "sweep"): void {
  const inOrder = pod.hooks[hook] as (app: string) => void;
  pod.hooks[hook] = (app?: string) => {
    if (app === undefined || app === "b") throw new Error(`${hook} fails`);
    inOrder(app);
  };
}

function unstartable(pod: DoubleOfPod, name: string, inPhase: string): void {
  const start = pod.hooks.start;
  pod.hooks.start = (app, phase) => {
    if (app === name && phase === inPhase) throw new Error(`${app}: no such program`);
    return start(app, phase);
  };
}

Deno.test("an app that cannot be started ends the pod, and signals take effect again", () => {
  const pod = new DoubleOfPod("a");
  unstartable(pod, "a", "running");
  assertThrows(() => pod.run(), Error, "a: no such program");
  assertEquals(pod.log, ["0 stopping", "0 end", "0 rest", "0 unblock"]);
});

Deno.test("when an app cannot be started, the others are asked to end, or do not start", () => {
  const pod = new DoubleOfPod("a", "b", "c").at(70, { ended: "a", end: { signal: SIGTERM } });
  unstartable(pod, "b", "running");
  assertThrows(() => pod.run(), ToldError);
  assertEquals(pod.log, [
    "0 start a: running",
    "0 say b: no such program",
    "0 signal 15 a",
    "0 signal 18 a",
    "0 stopping",
    "70 sweep a",
    "70 save a: 0",
    "70 end",
    "70 rest",
    "70 unblock",
  ]);
});

Deno.test("when a post-stop handler cannot be started, the other apps end in order", () => {
  const pod = new DoubleOfPod(
    { name: "a", hasPreStart: false, hasPostStop: true },
    { name: "b", hasPreStart: false, hasPostStop: true },
  )
    .at(10, { ended: "a", end: OK })
    .at(20, { ended: "b", end: OK })
    .at(30, { ended: "b", end: OK });
  unstartable(pod, "a", "post-stop");
  assertThrows(() => pod.run(), ToldError);
  assertEquals(pod.done("save"), ["10 save a: 0", "20 save b: 0"]);
  assertEquals(pod.done("signal"), ["10 signal 15 b", "10 signal 18 b"]);
  assertEquals(pod.done("start").at(-1), "20 start b: post-stop");
});

for (const hook of ["started", "begun", "ready"] as const) {
  Deno.test(`when a pod's hook ${hook} fails, apps are asked to end, and killed at last`, () => {
    const pod = new DoubleOfPod("a", "b")
      .at(10, { ended: "b", end: OK })
      .at(30_011, { ended: "a", end: { signal: SIGKILL } });
    failing(pod, hook);
    assertThrows(() => pod.run(), ToldError);
    assertEquals(pod.done("say"), [`0 say ${hook} fails`]);
    assertEquals(pod.done("signal").at(-1), "30010 signal 9 a");
    assertEquals(pod.done("save"), ["10 save b: 0", "30011 save a: 137"]);
    assertEquals(pod.done("ready"), []);
  });
}

Deno.test("when what an app has left cannot be ended, the other apps are asked to end", () => {
  const pod = new DoubleOfPod("a", "b")
    .at(10, { ended: "b", end: OK })
    .at(20, { ended: "a", end: OK });
  failing(pod, "sweep");
  assertThrows(() => pod.run(), ToldError);
  assertEquals(pod.done("signal"), ["10 signal 15 a", "10 signal 18 a"]);
  assertEquals(pod.done("save"), ["10 save b: 0", "20 save a: 0"]);
});

Deno.test("when output cannot be passed on, apps are asked to end, and statuses are saved", () => {
  const pod = new DoubleOfPod("a", "b")
    .at(10, { written: "hello" })
    .at(20, { ended: "b", end: OK }, { ended: "a", end: OK });
  pod.hooks.streams.onReady = () => {
    throw new Error("the pipe is broken");
  };
  assertThrows(() => pod.run(), ToldError);
  assertEquals(pod.done("say"), ["10 say the pipe is broken"]);
  assertEquals(pod.done("save").length, 2);
});

Deno.test("when not even the end of apps can be waited for, the pod ends at once", () => {
  const pod = new DoubleOfPod("a");
  pod.kernel.waitForEvents = () => {
    throw new Error("no memory");
  };
  assertThrows(() => pod.run(), Error, "no memory");
  assertEquals(pod.done("end").length, 1);
});

Deno.test("an error ends a pod with it also when the pod has ended", () => {
  const pod = new DoubleOfPod("a").at(10, { ended: "a", end: OK });
  failing(pod, "end");
  assertThrows(() => pod.run(), Error, "end fails");
  assertEquals(pod.done("save"), ["10 save a: 0"]);
});

Deno.test("a pod whose app tells when it is ready is not ready before, but has started", () => {
  const pod = new DoubleOfPod("a").withTeller()
    .at(500, { toldReady: true })
    .at(5000, { ended: "a", end: OK });
  pod.run();
  assertEquals(pod.log.slice(0, 7), [
    "0 start a: running",
    "0 begun",
    "0 all started",
    "500 told",
    "500 ready",
    // Three seconds after the time in which the app was not listened to.
    "3700 lean",
    "5000 sweep a",
  ]);
});

Deno.test("it is told once that the pod is about to end", () => {
  const pod = new DoubleOfPod("a").withTeller()
    .at(10, { signal: SIGTERM })
    .at(20, { signal: SIGTERM })
    .at(30, { ended: "a", end: { signal: SIGTERM } });
  pod.run();
  assertEquals(pod.done("stopping"), ["10 stopping"]);
  assertEquals(pod.done("ready"), []);
});
