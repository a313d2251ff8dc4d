/**
 * Tests of what an app gets that is added to a pod while that runs: all that it would have got from
 * the beginning.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { eventually } from "./host.ts";
import { findPodCgroups } from "./pod_cgroups.ts";
import { readMounts } from "./procfs.ts";
import { type AddedApp, Sandbox, type SandboxOptions, STAY } from "./sandboxes.ts";
import { type Need, scenario, type Stage } from "./scenario.ts";
import { STAGE0_RESOLV_CONF } from "./stage0/pod.ts";

const V1_MEMORY = readMounts().find(({ type, path }) =>
  type === "cgroup" && path.endsWith("/memory")
)?.path;

const MEMORY_NEED: Need = {
  what: "the controller memory in cgroup v1",
  met: V1_MEMORY !== undefined,
};

/** Tells all that an app can see of what it was given, one line each. */
const DESCRIBE = [
  "id",
  "pwd",
  "umask",
  "env | grep -v ^IDENTITY= | sort",
  "grep -E '^(Cap|Seccomp|NoNew|Uid|Gid|Groups|SigBlk|SigIgn|SigCgt|Umask)' /proc/self/status",
  "cat /proc/self/limits /proc/self/oom_score_adj",
  "grep freezer /proc/self/cgroup",
  "cat /proc/self/uid_map /proc/self/setgroups",
  // Without the numbers of mounts and of devices. A pod whose apps come later has cgroups for
  // whatever these may need.
  "sed -E 's/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //' /proc/self/mountinfo | grep -v /sys/fs/cgroup/",
  // Without times, and without the number of links, which is that of processes for /proc.
  "ls -lan / /dev /dev/shm /tmp /run 2>&1 | " +
  "sed -E 's/ [A-Z][a-z]{2} +[0-9]+ [0-9:]+ / /; s/^([^ ]{10}) +[0-9]+ /\\1 /'",
  // Without the directory that is being listed, which busybox names without its target.
  "ls -l /proc/self/fd | sed -E 's/^([^ ]+) .* ([0-9]+ -> [^0-9]+).*$/\\1 \\2/; / 3( -> |$)/d'",
  "cat /etc/resolv.conf /etc/hosts 2>&1",
  // The terminal, and the group of processes in front of it.
  "sed -E 's/^.*\\) . [0-9]+ [0-9]+ [0-9]+ (-?[0-9]+ -?[0-9]+) .*$/\\1/' /proc/self/stat",
  "hostname; ip -o address 2>/dev/null | sed -E 's/ valid_lft.*//'",
  "touch /written 2>&1; touch /proc/sys/kernel/hostname /sys/written 2>&1; mknod /null2 c 1 3 2>&1",
  "cat /proc/self/attr/current 2>/dev/null",
  "cat /proc/self/coredump_filter /proc/self/timerslack_ns",
  "chrt -p $$ | sed 's/pid [0-9]*/pid/'; taskset -p $$ | sed 's/pid [0-9]*/pid/'; nice",
].join("\n");

/** Drops what differs between any two pods. */
function withoutNames(text: string, uuid: string): string[] {
  return text
    .replaceAll(uuid, "UUID")
    .replaceAll(uuid.replaceAll("-", "\\x2d"), "UUID")
    .replace(/image-\d+|busybox-[0-9a-f-]+|sha512-[0-9a-f]+/g, "IMAGE")
    .replace(/(upperdir|lowerdir|workdir)=[^, ]+/g, "$1=DIR")
    .replace(/(shared|master|propagate_from):\d+/g, "$1:N")
    .replace(/\/(scenario|stage0)-[^/ ]+/g, "/TEMP")
    .split("\n");
}

/** Runs a script as the only app of a pod from its beginning, and returns what it wrote. */
async function fromBeginning(
  stage: Stage,
  text: string,
  options: AddedApp,
  { flags = {}, ...pod }: SandboxOptions,
): Promise<string[]> {
  const environment = [{ name: "IDENTITY", value: "from the beginning" }];
  const app = { exec: ["/bin/sh", "-c", text], environment, ...options.app };
  const image = options.image ?? await stage.image({});
  await using prepared = await stage.stage0.prepare({
    ...pod,
    // A second one keeps run with the pod in either flavor.
    apps: [{ ...options, image, name: "app", app }, {
      image: await stage.image({}),
      name: "other",
      app: { exec: ["/bin/sh", "-c", STAY] },
    }],
  });
  const run = await prepared.start({ flags });
  const log = `${prepared.dir}/log/app.log`;
  await eventually("the app's end", () => logOf(log).includes("THE END\nup\n"));
  assertQuiet(await prepared.stop());
  assertCode(await run.result, 0);
  return withoutNames(logOf(log), prepared.uuid);
}

function logOf(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch {
    return "";
  }
}

/** Runs the same as an app that is added. */
async function added(
  stage: Stage,
  text: string,
  options: AddedApp,
  pod: SandboxOptions,
): Promise<string[]> {
  await using sandbox = await Sandbox.open(stage, pod);
  await sandbox.launch("other", STAY);
  await sandbox.launch("app", text, options);
  await sandbox.prints("app", "THE END\nup\n");
  const lines = withoutNames(sandbox.log("app"), sandbox.pod.uuid);
  await sandbox.close();
  return lines;
}

function isolator(name: string, value: unknown) {
  return { name, value };
}

const CAPABILITIES = (...set: string[]) =>
  isolator("os/linux/capabilities-retain-set", { set: set.map((name) => `CAP_${name}`) });

/** Kinds of apps, each of which is compared. */
const KINDS: Record<string, { app?: AddedApp; pod?: SandboxOptions }> = {
  "with nothing special": {},
  "of a user, with groups and a working directory": {
    app: {
      app: {
        user: "volo",
        group: "video",
        supplementaryGIDs: [29, 4242],
        workingDirectory: "/home/volo",
        environment: [{ name: "A", value: "of the app" }, { name: "HOME", value: "/home/volo" }],
      },
    },
  },
  "with privileges of its own": {
    app: {
      app: {
        isolators: [
          CAPABILITIES("CHOWN", "NET_ADMIN"),
          isolator("os/linux/no-new-privileges", true),
          isolator("os/linux/seccomp-remove-set", { set: ["chroot", "@appc.io/all"].slice(0, 1) }),
          isolator("os/linux/oom-score-adj", 300),
        ],
      },
    },
  },
  "with limits": {
    app: {
      app: {
        isolators: [
          isolator("resource/memory", { limit: "64Mi" }),
          isolator("resource/cpu", { limit: "500m" }),
        ],
      },
    },
  },
  "with a root that is read-only": { app: { readOnlyRootFS: true } },
  "in a pod whose restrictions are lifted": {
    pod: { flags: { disable: ["capabilities-restriction", "paths", "seccomp"] } },
  },
  "in a pod with a name, and name servers": {
    pod: { flags: { hostname: "of-the-pod", dns: { resolv: "stage0", hosts: "stage0" } } },
  },
  "in a pod with the host's name servers": {
    pod: { flags: { dns: { resolv: "host", hosts: "host" } } },
  },
};

for (const [what, { app = {}, pod = {} }] of Object.entries(KINDS)) {
  scenario(
    `an app that is added has all that it would have had: one ${what}`,
    { flavor: "either" },
    async (stage) => {
      const text = `(${DESCRIBE}) 2>&1; echo THE END; ${STAY}`;
      const [now, before] = [
        await added(stage, text, app, pod),
        await fromBeginning(stage, text, app, pod),
      ];
      assertEquals(now, before);
      assert(now.length > 40, now.join("\n"));
    },
  );
}

scenario(
  "an app that is added to a pod with users of its own has them, too",
  { flavor: "isolated" },
  async (stage) => {
    const pod = { privateUsers: "200000:65536" };
    const text = `(${DESCRIBE}) 2>&1; echo THE END; ${STAY}`;
    const now = await added(stage, text, {}, pod);
    assertEquals(now, await fromBeginning(stage, text, {}, pod));
    assert(now.some((line) => /^ +0 +200000 +65536$/.test(line)), now.join("\n"));
  },
);

scenario(
  "an app that is added has volumes of the host and empty ones",
  { flavor: "either" },
  async (stage) => {
    const source = `${stage.dir}/data`;
    await Deno.mkdir(`${source}/sub`, { recursive: true });
    await Deno.writeTextFile(`${source}/file`, "content\n");
    const text = "cat /data/file; touch /data/written && echo wrote; touch /ro/x 2>/dev/null || " +
      "echo refused; stat -c '%a %u %g' /empty; cat /link/file; echo up; exec sleep 100";
    const image = await stage.image({ files: { "/link": { link: "/really" } } });
    await using sandbox = await Sandbox.open(stage);
    const host = (name: string, readOnly = false) =>
      ({ name, kind: "host", source, readOnly }) as const;
    await sandbox.launch("app", text, {
      image,
      mounts: [
        { volume: "data", path: "/data", appVolume: host("data") },
        { volume: "ro", path: "/ro", appVolume: host("ro", true) },
        {
          volume: "empty",
          path: "/empty",
          appVolume: { name: "empty", kind: "empty", mode: "0751", uid: 12, gid: 34 },
        },
        { volume: "link", path: "/link", appVolume: host("link") },
      ],
    });
    await sandbox.prints("app", "up\n");
    assertEquals(sandbox.log("app"), "content\nwrote\nrefused\n751 12 34\ncontent\nup\n");
    assertEquals((await Deno.stat(`${source}/written`)).isFile, true);
    await sandbox.close();
  },
);

scenario(
  "apps that are added one after the other share a pod's empty volume",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage, {
      volumes: [{ name: "shared", kind: "empty", mode: "0777", uid: 0, gid: 0 }],
    });
    const mounts = [{ volume: "shared", path: "/shared" }];
    await sandbox.launch("one", "echo of one >/shared/file; echo done", { mounts });
    await sandbox.prints("one", "done\n");
    await sandbox.remove("one");
    await sandbox.launch("two", "cat /shared/file; echo done", { mounts });
    await sandbox.prints("two", "of one\ndone\n");
    await sandbox.close();
  },
);

scenario(
  "an app that is added has cgroups with its limits, below the pod's",
  { flavor: "isolated", needs: [MEMORY_NEED] },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const app = { isolators: [isolator("resource/memory", { limit: "32Mi" })] };
    await sandbox.launch("app", STAY, { app });
    await sandbox.prints("app");
    const ofPod = findPodCgroups([sandbox.pod.uuid]).find((path) => path.startsWith(V1_MEMORY!))!;
    const read = (file: string) => Deno.readTextFileSync(`${ofPod}/app-app/${file}`).trim();
    assertEquals(read("memory.limit_in_bytes"), "33554432");
    assertEquals(read("cgroup.procs").split("\n").includes(`${sandbox.processOf("app")}`), true);
    await sandbox.remove("app");
    const [left] = [...Deno.readDirSync(ofPod)].filter(({ name }) => name.startsWith("app-"));
    assertEquals(left, undefined);
    await sandbox.close();
  },
);

scenario(
  "an app that was added and is killed for memory is told with its limit",
  { flavor: "isolated", needs: [MEMORY_NEED] },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const isolators = [isolator("resource/memory", { limit: "32Mi" })];
    const app = { isolators, user: "1000", group: "1000" };
    assertQuiet(await sandbox.add("app", "exec tail /dev/zero", { app }));
    for (let i = 1; i < 3; i++) {
      await sandbox.start("app");
      assertEquals(await sandbox.ends("app"), 137);
      await eventually(
        "a line for each time",
        () => sandbox.run.stderr.match(/killed for memory: /g)?.length === i,
      );
    }
    assertStringIncludes(
      sandbox.run.stderr,
      'run: apps["app"].app.isolators[0] (resource/memory): killed for memory: ' +
        '1 process of app "app": the limit is 32 MiB\n',
    );
    await sandbox.close();
  },
);

scenario(
  "an app that is added has /dev/log, also when it is started again",
  { flavor: "isolated" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const app = { user: "volo", group: "volo" };
    await sandbox.launch("app", "logger -t me hello; sleep .2", { app });
    await sandbox.ends("app");
    await sandbox.start("app");
    await sandbox.ends("app");
    await eventually("both", () => sandbox.log("app").match(/ me: hello\n/g)?.length === 2);
    await sandbox.remove("app");
    await sandbox.launch("app", "logger -t me again; sleep .2", { app });
    await sandbox.prints("app", " me: again\n");
    await sandbox.close();
  },
);

scenario(
  "the name servers that a pod was begun with are those of an app that comes later",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage, { flags: { dns: { resolv: "stage0" } } });
    await sandbox.launch("app", "cat /etc/resolv.conf; echo end");
    await sandbox.prints("app", "end\n");
    assertEquals(sandbox.log("app"), `${STAGE0_RESOLV_CONF}end\n`);
    await sandbox.close();
  },
);

const FAULTS: Record<string, [AddedApp, RegExp]> = {
  "a volume that nobody has": [
    { mounts: [{ volume: "none", path: "/x" }] },
    /apps\["app"\]\.mounts\[0\]/,
  ],
  "a source that is missing": [{
    mounts: [{
      volume: "v",
      path: "/x",
      appVolume: { name: "v", kind: "host", source: "/no/such/place" },
    }],
  }, /\/no\/such\/place/],
  "a user that is unknown": [{ app: { user: "stranger" } }, /stranger/],
  "an isolator of no sense": [
    { app: { isolators: [isolator("resource/memory", { limit: "many" })] } },
    /apps\["app"\]\.app\.isolators\[0\]/,
  ],
};

for (const [what, [fault, message]] of Object.entries(FAULTS)) {
  scenario(
    `an app with ${what} is refused in one line, and the pod is as before`,
    { flavor: "either" },
    async (stage) => {
      await using sandbox = await Sandbox.open(stage);
      await sandbox.launch("other", STAY);
      await sandbox.prints("other");
      const cgroups = findPodCgroups([sandbox.pod.uuid]);
      const refused = await sandbox.add("app", STAY, fault);
      assertRefused(refused, "app-add", message);
      assertEquals(findPodCgroups([sandbox.pod.uuid]), cgroups);
      assertRefused(await sandbox.pod.apps.start("app"), "app-start", /app/);
      await sandbox.remove("app");
      await sandbox.launch("app", STAY);
      await sandbox.prints("app");
      assertEquals(sandbox.pod.apps.list(), { other: "running", app: "running" });
      const missing = 'app-start: the pod has no app "app"\n';
      assertEquals(sandbox.run.stderr, `run: ${refused.stderr}run: ${missing}`);
      await sandbox.close();
    },
  );
}

scenario(
  "what has no effect on an app that is added is told, by its name in the pod manifest",
  { flavor: "isolated" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    await sandbox.launch("other", STAY);
    const annotations = [{ name: "stage1-volo/stop-singal", value: "SIGQUIT" }];
    const result = await sandbox.add("app", STAY, { annotations });
    assertCode(result, 0);
    assertMatch(
      result.stderr,
      /^app-add: apps\["app"\]\.annotations\[0\] \(stage1-volo\/stop-singal\): [^\n]+\n$/,
    );
    await sandbox.close();
  },
);

scenario(
  "an app is not added twice, and the first one goes on",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    await sandbox.launch("app", STAY);
    await sandbox.prints("app");
    const args = ["--debug=false", `--uuid=${sandbox.pod.uuid}`, "--app=app"];
    assertRefused(await sandbox.pod.startCrossing("app/add", args).result, "app-add", /app/);
    assertEquals(sandbox.pod.apps.status("app"), { state: "running" });
    assertCode(await sandbox.pod.enter("app", ["/bin/true"]), 0);
    await sandbox.stop("app");
    await sandbox.start("app");
    await sandbox.close();
  },
);

scenario(
  "apps have the names that the schema allows",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const names = ["a", "0", "x".repeat(60), "with-dashes-1", "app", "control", "pod"];
    for (const name of names) await sandbox.launch(name, STAY);
    for (const name of names) await sandbox.prints(name);
    for (const name of names) await sandbox.remove(name);
    assertEquals(sandbox.pod.apps.list(), {});
    await sandbox.close();
  },
);

scenario("what rkt keeps to itself of an app is told by its sandbox, in one line each", {
  flavor: "either",
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const annotations = [{ name: "stage1-volo/stop-tiemout", value: "1" }];
  await sandbox.add("misspelled", STAY, { annotations });
  assertCode(await sandbox.add("stranger", STAY, { app: { user: "nosuch" } }), 254);
  await sandbox.add("lost", STAY, { app: { exec: ["/bin/missing"] } });
  assertCode(await sandbox.pod.apps.start("lost"), 254);
  const eventHandlers = [{ name: "pre-start", exec: ["/bin/sh", "-c", "exit 8"] }];
  await sandbox.add("handled", STAY, { app: { eventHandlers } });
  assertCode(await sandbox.pod.apps.start("handled"), 254);
  await sandbox.close();
  const lines = sandbox.run.stderr.match(/^run: .*$/gm) ?? [];
  const expected = [
    /^run: app-add: .*\(stage1-volo\/stop-tiemout\): ignored: /,
    /^run: app-add: apps\["stranger"\]\.app\.user: .*nosuch/,
    /^run: app-start: apps\["lost"\]\.app\.exec\[0\]: .*\/bin\/missing/,
    /^run: apps\["handled"\]\.app\.eventHandlers\[0\]: ended with status 8$/,
  ];
  assertEquals(lines.length, expected.length, lines.join("\n"));
  expected.forEach((line, i) => assertMatch(lines[i]!, line));
});

scenario(
  "an app whose removal was broken off stands in no other's way",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    await sandbox.launch("other", STAY);
    assertQuiet(await sandbox.add("gone", STAY));
    assertQuiet(await sandbox.pod.apps.startRm("gone").result);
    const manifest = `${sandbox.pod.dir}/appsinfo/gone/manifest`;
    const text = await Deno.readTextFile(manifest);
    for (const spoil of [() => Deno.writeTextFile(manifest, "{"), () => Deno.remove(manifest)]) {
      await spoil();
      await sandbox.launch("app", STAY);
      await sandbox.prints("app");
      assertPrints(await sandbox.pod.enter("app", ["/bin/echo", "entered"]), "entered\n");
      await sandbox.remove("app");
    }
    // rkt removes the rest only with the manifest there.
    await Deno.writeTextFile(manifest, text);
    await sandbox.remove("gone");
    await sandbox.close();
  },
);
