import "../linux/libc_testing.ts";
import { assertEquals } from "@std/assert";
import { POLLPRI } from "../linux/poll.ts";
import { MemoryWatch } from "./memory_watch.ts";

/** Nothing of the test is open. */
const NOTHING: Disposable = { [Symbol.dispose]: () => {} };

/** An app's cgroup in which the test kills, and a limit of the app and one of the pod. */
class Double {
  kills = 0;
  reached = { own: false, pod: false };
  readonly lines: string[] = [];
  readonly watch = new MemoryWatch([{
    of: { app: "web", field: "apps[0]" },
    kills: { interest: { fd: 7, events: POLLPRI }, count: () => this.kills, ...NOTHING },
    own: [{ limit: limit("own", "67108864"), isReached: () => this.reached.own, ...NOTHING }],
    above: [{ limit: limit("pod's", "3000"), isReached: () => this.reached.pod, ...NOTHING }],
  }], (line) => void this.lines.push(line));

  /** Waits as the supervisor does, and returns when it was looked at. */
  eventAt(now: number): number {
    assertEquals(this.watch.interests(), [{ fd: 7, events: POLLPRI }]);
    this.watch.onReady([{ fd: 7, events: POLLPRI }], now);
    assertEquals(this.watch.interests(), []);
    const at = now + this.watch.dueIn(now)!;
    this.watch.look(at);
    return at;
  }
}

function limit(isolator: string, value: string) {
  return { file: "memory.max", value, isolator };
}

Deno.test("a kill is told with the nearest limit that was reached, or that it is none", () => {
  const pod = new Double();
  for (const [own, ofPod] of [[true, true], [false, true], [false, false]] as const) {
    pod.kills++;
    pod.reached = { own, pod: ofPod };
    pod.watch.look(0);
  }
  assertEquals(pod.lines, [
    'own: killed for memory: 1 process of app "web": the limit is 64 MiB',
    'pod\'s: killed for memory: 1 process of app "web": the limit is 3000 bytes',
    'apps[0]: killed for memory: 1 process of app "web": at no limit of the pod, but of a cgroup ' +
    "above it, or of the machine",
  ]);
});

Deno.test("what is killed again and again is told every ten seconds, all of it", () => {
  const pod = new Double();
  const looked: number[] = [];
  for (let now = 0; now < 30_000;) {
    pod.kills += 5;
    looked.push(now = pod.eventAt(now));
  }
  assertEquals(looked, [100, 10_100, 20_100, 30_100]);
  assertEquals(pod.lines.length, 4);
});

Deno.test("an event without a kill is no news, and is looked for once a second at most", () => {
  const pod = new Double();
  assertEquals([pod.eventAt(0), pod.eventAt(200), pod.eventAt(9_000)], [100, 1_100, 9_100]);
  assertEquals(pod.lines, []);
});

Deno.test("where the kernel has no events, what was killed is told when somebody looks", () => {
  const lines: string[] = [];
  const kills = { interest: undefined, count: () => 3, ...NOTHING };
  const of = { app: "web", field: "apps[0]" };
  const cgroups = [{ of, kills, own: [], above: [] }];
  const watch = new MemoryWatch(cgroups, (line) => void lines.push(line));
  assertEquals(watch.interests(), []);
  watch.look(0);
  assertEquals(lines.length, 1);
});

Deno.test("other descriptors are no event, and nothing is due then", () => {
  const { watch } = new Double();
  watch.onReady([{ fd: 8, events: POLLPRI }], 0);
  assertEquals(watch.dueIn(0), undefined);
});

Deno.test("an app that is added is watched until it is removed, and nothing of it stays open", () => {
  using undo = new DisposableStack();
  const pod = Deno.makeTempDirSync({ prefix: "volo-memory-" });
  undo.defer(() => Deno.removeSync(pod, { recursive: true }));
  const cgroup = `${pod}/app-web`;
  Deno.mkdirSync(cgroup);
  const write = (kills: number) => {
    Deno.writeTextFileSync(`${cgroup}/memory.events`, `oom 0\noom_kill ${kills}\n`);
    Deno.writeTextFileSync(`${cgroup}/memory.events.local`, `oom ${kills}\n`);
  };
  const before = openDescriptors();
  const lines: string[] = [];
  const watch = new MemoryWatch([], (line) => void lines.push(line));
  for (const round of [1, 2]) {
    write(0);
    const limits = [limit("own", "67108864")];
    watch.add({ name: "web", field: "apps[0]" }, [{ path: cgroup, version: 2, limits }], () => {});
    assertEquals(watch.interests().length, 1);
    watch.look(0);
    write(1);
    watch.look(0);
    assertEquals(lines.length, round);
    watch.remove("web");
    assertEquals(watch.interests(), []);
  }
  assertEquals(lines[1], 'own: killed for memory: 1 process of app "web": the limit is 64 MiB');
  assertEquals(openDescriptors(), before);
});

function openDescriptors(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name).sort();
}
