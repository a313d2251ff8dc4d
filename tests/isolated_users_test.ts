/**
 * Tests of pods with users of their own: who their apps are to the kernel, in the pod and on the
 * host.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync } from "node:fs";
import { assertCode, assertPrints, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { execute, type Host, must, which } from "./host.ts";
import { childrenOf, parseStatus, readStatus } from "./procfs.ts";
import { type Need, scenario, type SimplePod, type Stage } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

const SHIFT = 200_000;
const COUNT = 65_536;
const PRIVATE: SimplePod = { privateUsers: `${SHIFT}:${COUNT}` };

/** Declares a test on hosts that have user namespaces. */
function usersScenario(
  name: string,
  test: (stage: Stage) => Promise<void>,
  needs: Need[] = [],
): void {
  const limit = Number(Deno.readTextFileSync("/proc/sys/user/max_user_namespaces"));
  scenario(name, {
    flavor: "isolated",
    needs: [{ what: "user namespaces", met: limit > 0 }, ...needs],
  }, test);
}

/** Runs a script as the only app of a pod with users of its own. */
async function run({ script }: Stage, text: string, app: SimplePod["app"] = {}): Promise<string> {
  await using pod = await script(text, { ...PRIVATE, app });
  const result = await pod.run();
  assertQuiet(result);
  return result.stdout;
}

/** Starts a pod with users of its own and waits for its app. */
async function start({ script }: Stage, app: SimplePod["app"] = {}): Promise<[Pod, Program]> {
  const pod = await script("echo up; exec sleep 100", { ...PRIVATE, app });
  const program = await pod.start();
  await program.prints("up");
  return [pod, program];
}

function retaining(...set: string[]): NonNullable<SimplePod["app"]> {
  return { isolators: [{ name: "os/linux/capabilities-retain-set", value: { set } }] };
}

/** Returns the host's PID of an app's process. */
function appPid(pod: Pod, program: Program): number {
  return childrenOf(program.pid).find(({ pid: it }) => it !== pod.readNumber("pid"))!.pid;
}

usersScenario("a pod's ids are the host's from the shift on", async (stage) => {
  const map = [0, SHIFT, COUNT].map(String);
  const text = "cat /proc/self/uid_map /proc/self/gid_map; cat /proc/self/setgroups";
  const lines = (await run(stage, text)).trim().split("\n");
  assertEquals(lines.map((line) => line.trim().split(/ +/)), [map, map, ["allow"]]);
});

const users: [what: string, app: SimplePod["app"], uid: number, gid: number, groups: number[]][] = [
  ["root", {}, 0, 0, [0]],
  ["a name", { user: "volo", group: "video", supplementaryGIDs: [4242] }, 1000, 44, [44, 4242]],
  ["the owner of a path", { user: "/home/volo", group: "/home/volo" }, 1000, 1000, [1000]],
  ["the last id", { user: "65535", group: "65535" }, COUNT - 1, COUNT - 1, [COUNT - 1]],
];

for (const [what, app, uid, gid, groups] of users) {
  usersScenario(`an app is another to the host than to itself: ${what}`, async (stage) => {
    const [pod, program] = await start(stage, app);
    await using _pod = pod;
    const ids = ({ Uid, Gid, Groups }: Record<string, string>) => [Uid, Gid, Groups];
    const four = (id: number) => [id, id, id, id].join("\t");
    const onHost = readStatus(appPid(pod, program));
    assertEquals(ids(onHost), [
      four(SHIFT + uid),
      four(SHIFT + gid),
      groups.map((id) => SHIFT + id).join(" "),
    ]);
    const entered = await pod.enter("app", ["/bin/cat", "/proc/self/status"]);
    assertCode(entered, 0);
    assertEquals(ids(parseStatus(entered.stdout)), [four(uid), four(gid), groups.join(" ")]);
  });
}

usersScenario("pid 1 is the pod's root to the host, and can do nothing", async (stage) => {
  const [pod] = await start(stage);
  await using _pod = pod;
  const { Uid, CapPrm, Name } = readStatus(pod.readNumber("pid")!);
  assertEquals({ Uid, CapPrm, Name }, {
    Uid: [SHIFT, SHIFT, SHIFT, SHIFT].join("\t"),
    CapPrm: "0000000000000000",
    Name: "init",
  });
});

usersScenario("all that a pod begins with is its own", async (stage) => {
  const paths = [
    "/",
    "/bin/sh",
    "/tmp",
    "/etc/hosts",
    "/dev",
    "/dev/null",
    "/dev/pts",
    "/dev/ptmx",
  ];
  const made = [
    "/dev/shm",
    "/proc/self/fd",
    "/proc/sys/net/core/somaxconn",
    "/made",
    "/made/here",
    "/etc/hostname",
  ];
  const { script } = stage;
  await using pod = await script(`stat -Lc '%n %u:%g' ${[...paths, ...made].join(" ")}`, {
    ...PRIVATE,
    volumes: [{ name: "v", kind: "empty" }],
    mounts: [{ volume: "v", path: "/made/here" }],
  });
  const result = await pod.run();
  assertQuiet(result);
  const foreign = result.stdout.trim().split("\n").filter((line) => !line.endsWith(" 0:0"));
  // The file shows a setting of the kernel's, which the host owns.
  assertEquals(foreign, ["/etc/hostname 65534:65534"]);
});

usersScenario(
  "files have the pod's ids inside, and the shifted ones on the host",
  async (stage) => {
    const { dir, script } = stage;
    await Deno.mkdir(`${dir}/volume`);
    await Deno.chown(`${dir}/volume`, SHIFT + 1000, SHIFT + 1000);
    const text = "touch /v/a /tmp/b /e/c; mkdir /home/volo/d; stat -c '%n %u:%g' " +
      "/v/a /tmp/b /e/c /e /home/volo/d";
    await using pod = await script(text, {
      ...PRIVATE,
      app: { user: "volo", group: "volo" },
      volumes: [
        { name: "v", kind: "host", source: `${dir}/volume` },
        { name: "e", kind: "empty", mode: "0777", uid: 7, gid: 8 },
      ],
      mounts: [{ volume: "v", path: "/v" }, { volume: "e", path: "/e" }],
    });
    assertPrints(
      await pod.run(),
      "/v/a 1000:1000\n/tmp/b 1000:1000\n/e/c 1000:1000\n/e 7:8\n/home/volo/d 1000:1000\n",
    );
    const owner = (path: string) => {
      const { uid, gid } = Deno.statSync(path);
      return [uid! - SHIFT, gid! - SHIFT];
    };
    assertEquals(owner(`${dir}/volume/a`), [1000, 1000]);
    assertEquals(owner(`${pod.appRootfs()}/home/volo/d`), [1000, 1000]);
    assertEquals(owner(`${pod.dir}/sharedVolumes/e`), [7, 8]);
    assertEquals(owner(`${pod.appRootfs()}/v`), [0, 0]);
  },
);

usersScenario("stage0's files of names can be changed by the pod's root", async ({ script }) => {
  await using pod = await script(
    "echo nameserver 192.0.2.1 >>/etc/resolv.conf && cat /etc/resolv.conf",
    PRIVATE,
  );
  const result = await pod.run({ flags: { dns: { resolv: "stage0" } } });
  assertCode(result, 0);
  assertMatch(result.stdout, /192\.0\.2\.1/);
});

const ALL_POWERFUL = retaining(
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_ADMIN",
  "CAP_SYS_ADMIN",
  "CAP_SYS_PTRACE",
);

usersScenario("the pod's root has capabilities, and none over the host", async (stage) => {
  const { dir, script } = stage;
  await Deno.mkdir(`${dir}/volume`);
  await Deno.writeTextFile(`${dir}/volume/secret`, "host's", { mode: 0o600 });
  await Deno.writeTextFile(`${dir}/volume/public`, "host's", { mode: 0o644 });
  const attempts = [
    "cat /v/secret",
    "echo mine >/v/public",
    "chown 0 /v/public",
    "chmod 666 /v/public",
    "touch /v/made",
    "mknod /v/disk b 8 0",
    "mount -t tmpfs tmpfs /tmp",
    "mount -o remount,rw /sys",
    "cp /proc/sys/kernel/panic /tmp/same && cat /tmp/same >/proc/sys/kernel/panic",
  ];
  const text = [
    "grep CapEff /proc/self/status",
    "cat /v/public",
    ...attempts.map((attempt) => `if ${attempt} 2>/dev/null; then echo can ${attempt}; fi`),
  ].join("\n");
  await using pod = await script(text, {
    ...PRIVATE,
    app: ALL_POWERFUL,
    volumes: [{ name: "v", kind: "host", source: `${dir}/volume` }],
    mounts: [{ volume: "v", path: "/v" }],
  });
  const result = await pod.run({ flags: { disable: ["seccomp", "paths"] } });
  assertPrints(result, "CapEff:\t000000000828100f\nhost's");
  assertEquals(await Deno.readTextFile(`${dir}/volume/public`), "host's");
});

usersScenario("the pod's root has what belongs to the pod", async ({ script }) => {
  const text = [
    "hostname renamed && hostname",
    "ip link set lo up && cat /sys/class/net/lo/operstate",
    "echo 80 >/proc/sys/net/ipv4/ip_unprivileged_port_start && echo set",
    "mkdir /r && chown 5:6 /r && stat -c %u:%g /r",
  ].join("; ");
  await using pod = await script(text, { ...PRIVATE, app: ALL_POWERFUL });
  const result = await pod.run({ flags: { disable: ["seccomp", "paths"] } });
  assertPrints(result, "renamed\nunknown\nset\n5:6\n");
});

const NEEDS_LSNS = [{ what: "lsns", met: which("lsns") !== undefined }];

usersScenario("a pod's namespaces belong to its users, but for the mounts", async (stage) => {
  const [pod, program] = await start(stage);
  await using _pod = pod;
  const pid = appPid(pod, program);
  const owners = await must(["lsns", "-rno", "TYPE,ONS", "--task", `${pid}`]);
  const inode = (pid: number | "self") => Deno.statSync(`/proc/${pid}/ns/user`).ino;
  const [ofPod, ofHost] = [inode(pid), inode("self")];
  const expected = ["cgroup", "ipc", "net", "pid", "uts"].map((type) => `${type} ${ofPod}`);
  assertEquals(
    owners.trim().split("\n").filter((line) => !/^(user|time) /.test(line)).sort(),
    [...expected, `mnt ${ofHost}`].sort(),
  );
}, NEEDS_LSNS);

/**
 * A host with an empty network. It ends with each program: to the next one, it is as after a
 * reboot.
 */
const OTHER_HOST: Host = {
  wrap: (argv) => ["unshare", "--net", "--mount", "--propagation", "private", ...argv],
};
const NEEDS_CNI = [{
  what: "the CNI plugins in /usr/lib/cni",
  met: existsSync("/usr/lib/cni/ptp"),
}];

usersScenario("a pod in networks has an address, and may listen and ping", async ({ script }) => {
  const text = "ip address show eth0 | grep -o 'inet 172[.]16[.]28'; " +
    "ping -c 1 -W 5 172.16.28.1 >/dev/null && echo pong; timeout 1 nc -l -p 80; echo $?";
  await using pod = await script(text, PRIVATE);
  const result = await pod.run({ host: OTHER_HOST, flags: { net: "default" } });
  assertPrints(result, "inet 172.16.28\npong\n143\n");
  assertCode(await pod.gc({ host: OTHER_HOST }), 0);
}, NEEDS_CNI);

usersScenario("in the host's network the pod's root has no say", async ({ script }) => {
  const app = retaining("CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW");
  const text = "cat /sys/class/net/lo/operstate; ip link set lo up || echo not up; " +
    "timeout 1 nc -l -p 80 || echo no port";
  await using pod = await script(text, { ...PRIVATE, app });
  const result = await pod.run({ host: OTHER_HOST, flags: { net: "host" } });
  assertPrints(result, "down\nnot up\nno port\n");
});

/** A host that does not allow user namespaces. */
const NO_USER_NAMESPACES: Host = {
  wrap: (argv) => {
    const limit = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"';
    return ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh", ...argv];
  },
};

usersScenario("a host without user namespaces cannot give a pod its own", async ({ script }) => {
  await using pod = await script("true", PRIVATE);
  const matter = /^run: --private-users: this host has no user namespaces/;
  assertRefused(await pod.run({ host: NO_USER_NAMESPACES }), "run", matter);
});

/** A host that has not the ids which pods are given: it is in a user namespace of root alone. */
const ROOT_ALONE: Host = {
  wrap: (argv) => ["unshare", "--user", "--map-root-user", ...argv],
};

usersScenario(
  "a host that has not the ids of a pod tells which flag asked for them",
  async (stage) => {
    await using pod = await stage.script("true", PRIVATE);
    const matter = /^run: --private-users: the user namespace cannot be made: /;
    assertRefused(await pod.run({ host: ROOT_ALONE }), "run", matter);
  },
);

/**
 * Becomes root without any privilege, as a restricted app in the host's namespaces is, and joins a
 * namespace.
 */
const POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "nsenter"];

usersScenario(
  "a root of the host without privileges has no say in a pod's users",
  async (stage) => {
    const [pod, program] = await start(stage);
    await using _pod = pod;
    for (const pid of [appPid(pod, program), pod.readNumber("pid")!]) {
      const namespace = `/proc/${pid}/ns/user`;
      const shown = ["readlink", "/proc/self/ns/user"];
      const joined = await execute([...POWERLESS, `--user=${namespace}`, ...shown]);
      assertEquals({ stdout: joined.stdout, failed: joined.code !== 0 }, {
        stdout: "",
        failed: true,
      });
      assertMatch(joined.stderr, /^nsenter: .*ns\/user/);
    }
  },
  [{ what: "setpriv", met: which("setpriv") !== undefined }],
);

usersScenario("only who may look at any process can look at pid 1", async (stage) => {
  const text = "stat -c %u:%g /proc/1/root/. 2>/dev/null || echo hidden";
  assertEquals(await run(stage, text), "hidden\n");
  assertEquals(await run(stage, text, retaining("CAP_SYS_PTRACE")), "0:0\n");
});

usersScenario("an app can open its streams again", async (stage) => {
  const app = { user: "volo", group: "volo" };
  assertEquals(await run(stage, "echo again >/dev/stdout", app), "again\n");
});

const TERMINAL: Host = {
  wrap: (argv) => ["script", "-qefc", `exec ${argv.map((it) => `'${it}'`).join(" ")}`, "/dev/null"],
};
const NEEDS_SCRIPT = [{ what: "script", met: which("script") !== undefined }];

usersScenario("an interactive app has the terminal", async ({ script }) => {
  const text = "stat -Lc %u:%g $(tty) /dev/console; echo again >/dev/tty; chmod 600 $(tty)";
  const app = { user: "volo", group: "volo" };
  await using pod = await script(text, { ...PRIVATE, app });
  const result = await pod.run({ host: TERMINAL, keepsStdin: true, flags: { interactive: true } });
  assertPrints(result, "1000:5\r\n1000:5\r\nagain\r\n");
}, NEEDS_SCRIPT);

usersScenario("settings of the pod are made in its namespaces", async ({ script }) => {
  const value = { "kernel.shmmni": "123", "net.ipv4.ip_default_ttl": "99" };
  await using pod = await script(
    "cat /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ip_default_ttl",
    PRIVATE,
  );
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.isolators = [{ name: "os/unix/sysctl", value }];
  });
  assertPrints(await pod.run(), "123\n99\n");
});

usersScenario("a pod of several apps has the same users in each", async ({ stage0, image }) => {
  const text = (name: string) => `readlink /proc/self/ns/user; touch /v/${name}`;
  const apps = await Promise.all(["one", "two"].map(async (name) => ({
    image: await image({}),
    name,
    app: { exec: ["/bin/sh", "-c", text(name)] },
    mounts: [{ volume: "v", path: "/v" }],
  })));
  const volumes = [{ name: "v", kind: "empty" as const }];
  await using pod = await stage0.prepare({ ...PRIVATE, apps, volumes });
  const { code, stdout } = await pod.run();
  assertEquals(code, 0);
  const namespaces = stdout.trim().split("\n").map((line) => line.split(" ").at(-1));
  assertEquals([namespaces.length, new Set(namespaces).size], [2, 1], stdout);
  const own = Deno.readLinkSync("/proc/self/ns/user");
  assert(namespaces[0] !== own);
});

usersScenario("handlers are the pod's root", async ({ script }) => {
  const handler = (name: string) => ({
    name,
    exec: ["/bin/sh", "-c", "id -u; cat /proc/self/uid_map"],
  });
  await using pod = await script("id -u", {
    ...PRIVATE,
    app: { user: "volo", group: "volo", eventHandlers: [handler("pre-start")] },
  });
  const { stdout } = await pod.run();
  assertEquals(stdout.trim().split(/\s+/), ["0", "0", `${SHIFT}`, `${COUNT}`, "1000"]);
});

usersScenario("a command in a pod has its app's user namespace and capabilities", async (stage) => {
  const [pod, program] = await start(stage);
  await using _pod = pod;
  const command = "readlink /proc/self/ns/user; grep Cap /proc/self/status";
  const { stdout } = await pod.enter("app", ["/bin/sh", "-c", command]);
  const pid = appPid(pod, program);
  const ofApp = Object.entries(readStatus(pid)).filter(([name]) => name.startsWith("Cap"));
  const status = ofApp.map(([name, value]) => `${name}:\t${value}\n`).join("");
  assertEquals(stdout, `${Deno.readLinkSync(`/proc/${pid}/ns/user`)}\n${status}`);
});

usersScenario("stop and gc end a pod of other users", async (stage) => {
  const [pod, program] = await start(stage, { user: "volo", group: "volo" });
  await using _pod = pod;
  assertCode(await pod.stop({ force: true }), 0);
  await program.result;
  assertQuiet(await pod.gc());
});

usersScenario("an app whose files are not the pod's is said to have such", async ({ script }) => {
  await using pod = await script("exit 3");
  const { code, stderr } = await pod.run({ flags: PRIVATE });
  assertEquals(code, 3);
  assertMatch(stderr, /apps\[0\]: its files belong to no user of the pod.*--no-overlay/);
});

const refused: [what: string, flag: string, pod: SimplePod, matter: RegExp][] = [
  ["no range", "nobody", {}, /--private-users: "nobody" is not SHIFT:COUNT/],
  ["the host's root", "0:65536", {}, /--private-users: .*host's root/],
  ["a user", "200000:1000", { app: { user: "1000" } }, /apps\[0\]\.app\.user: 1000 .* 1000 ids/],
  ["a group", "200000:1000", { app: { group: "volo" } }, /apps\[0\]\.app\.group: 1000 /],
  [
    "a supplementary group",
    "200000:1000",
    { app: { supplementaryGIDs: [7, 1234] } },
    /apps\[0\]\.app\.supplementaryGIDs\[1\]: 1234 /,
  ],
  [
    "the owner of a volume",
    "200000:1000",
    {
      volumes: [{ name: "v", kind: "empty", gid: 2000 }],
      mounts: [{ volume: "v", path: "/v" }],
    },
    /apps\[0\]\.mounts\[0\]: gid of volume "v": 2000 /,
  ],
];

for (const [what, privateUsers, options, matter] of refused) {
  usersScenario(`run refuses what is not in the pod's range: ${what}`, async ({ script }) => {
    await using pod = await script("true", { ...PRIVATE, ...options });
    assertRefused(await pod.run({ flags: { privateUsers } }), "run", matter);
    assertEquals(pod.foreignMounts(), []);
  });
}

usersScenario("run refuses the owner of a path that no user of the pod is", async (stage) => {
  const { dir, script } = stage;
  await Deno.writeTextFile(`${dir}/file`, "");
  await using pod = await script("true", {
    ...PRIVATE,
    app: { user: "/v" },
    volumes: [{ name: "v", kind: "host", source: `${dir}/file` }],
    mounts: [{ volume: "v", path: "/v" }],
  });
  assertRefused(await pod.run(), "run", /app\.user: "\/v" .* no user of the pod/);
});
