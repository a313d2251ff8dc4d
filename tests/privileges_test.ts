/** Tests of what an app may do: capabilities, system calls, new privileges. */

import { assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import {
  BY_DEFAULT,
  COMPILER,
  FILTER_PROBE,
  imageWithProbe,
  readAttempts,
} from "./filter_probe.ts";
import { type Host, which } from "./host.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** The privileges of a process, as the kernel reports them; sets are 64-bit masks. */
interface Privileges {
  inheritable: bigint;
  permitted: bigint;
  effective: bigint;
  bounding: bigint;
  ambient: bigint;
  noNewPrivileges: boolean;
  filtered: boolean;
}

const PRINT = ["/bin/cat", "/proc/self/status"];
const USERS: [user: string, uid: number][] = [["0", 0], ["volo", 1000]];

/** The specification's default set of capabilities, as bits. */
const DEFAULT_SET = 0xa80425fbn;
const CAP_CHOWN = 1n << 0n;
const CAP_KILL = 1n << 5n;
const CAP_MKNOD = 1n << 27n;

function parsePrivileges(status: string): Privileges {
  const value = (name: string) => status.match(new RegExp(`^${name}:\\s*(.*)$`, "m"))![1]!;
  const set = (name: string) => BigInt(`0x${value(name)}`);
  return {
    inheritable: set("CapInh"),
    permitted: set("CapPrm"),
    effective: set("CapEff"),
    bounding: set("CapBnd"),
    ambient: set("CapAmb"),
    noNewPrivileges: value("NoNewPrivs") === "1",
    filtered: value("Seccomp") === "2",
  };
}

/** Reads the privileges of this test, beyond which no app can have any. */
function ownPrivileges(): Privileges {
  return parsePrivileges(Deno.readTextFileSync("/proc/self/status"));
}

async function privileges(pod: Pod, flags: string[] = []): Promise<Privileges> {
  const result = await pod.run({ args: [...flags, pod.uuid] });
  assertQuiet(result);
  return parsePrivileges(result.stdout);
}

/** Returns the privileges of a user who is restricted only by a bounding set. */
function within(bounding: bigint, uid: number): Privileges {
  const own = uid === 0 ? bounding : 0n;
  return {
    inheritable: 0n,
    permitted: own,
    effective: own,
    bounding,
    ambient: 0n,
    noNewPrivileges: false,
    filtered: false,
  };
}

function isolator(name: string, value: unknown) {
  return { name: `os/linux/${name}`, value };
}

function seccomp(mode: "retain" | "remove", set: string[], errno?: string) {
  return isolator(`seccomp-${mode}-set`, errno === undefined ? { set } : { set, errno });
}

const NO_MKDIR = ["mkdir", "mkdirat"];

for (const [user, uid] of USERS) {
  const as = { user, group: user };

  scenario(
    `an app of user ${user} without isolators has what there is`,
    async ({ pod: prepare }) => {
      await using pod = await prepare({ app: { ...as, exec: PRINT } });
      assertEquals(await privileges(pod), within(ownPrivileges().bounding, uid));
    },
  );

  scenario(`a retain-set bounds what user ${user} can have`, async ({ pod: prepare }) => {
    const set = ["CAP_CHOWN", "CAP_KILL"];
    const isolators = [isolator("capabilities-retain-set", { set })];
    await using pod = await prepare({ app: { ...as, exec: PRINT, isolators } });
    const expected = (CAP_CHOWN | CAP_KILL) & ownPrivileges().bounding;
    assertEquals(await privileges(pod), within(expected, uid));
  });

  scenario(
    `a remove-set is taken from the default set of user ${user}`,
    async ({ pod: prepare }) => {
      const isolators = [isolator("capabilities-remove-set", { set: ["CAP_MKNOD"] })];
      await using pod = await prepare({ app: { ...as, exec: PRINT, isolators } });
      const expected = DEFAULT_SET & ~CAP_MKNOD & ownPrivileges().bounding;
      assertEquals(await privileges(pod), within(expected, uid));
    },
  );

  scenario(`user ${user} can be without new privileges`, async ({ pod: prepare }) => {
    const isolators = [isolator("no-new-privileges", true)];
    await using pod = await prepare({ app: { ...as, exec: PRINT, isolators } });
    const expected = within(ownPrivileges().bounding, uid);
    assertEquals(await privileges(pod), { ...expected, noNewPrivileges: true });
  });

  scenario(
    `a filter takes new privileges from user ${user} unless root`,
    async ({ pod: prepare }) => {
      const isolators = [seccomp("remove", NO_MKDIR)];
      await using pod = await prepare({ app: { ...as, exec: PRINT, isolators } });
      const expected = within(ownPrivileges().bounding, uid);
      assertEquals(await privileges(pod), {
        ...expected,
        noNewPrivileges: uid !== 0,
        filtered: true,
      });
    },
  );

  scenario(`all restrictions together hold for user ${user}`, async ({ pod: prepare }) => {
    const isolators = [
      isolator("capabilities-retain-set", { set: ["CAP_CHOWN"] }),
      isolator("no-new-privileges", true),
      seccomp("retain", ["@rkt/default-whitelist"]),
    ];
    await using pod = await prepare({ app: { ...as, exec: PRINT, isolators } });
    const expected = within(CAP_CHOWN & ownPrivileges().bounding, uid);
    assertEquals(await privileges(pod), { ...expected, noNewPrivileges: true, filtered: true });
  });

  scenario(`a refused call gives user ${user} the manifest's error`, async ({ pod: prepare }) => {
    const isolators = [seccomp("remove", NO_MKDIR, "ENOTTY")];
    const exec = ["/bin/mkdir", "/tmp/new"];
    await using pod = await prepare({ app: { ...as, exec, isolators } });
    const result = await pod.run();
    assertCode(result, 1);
    assertMatch(result.stderr, /Inappropriate ioctl|Not a tty/i);
  });

  scenario(`a refused call without an error ends user ${user}'s app`, async ({ pod: prepare }) => {
    const isolators = [seccomp("remove", NO_MKDIR)];
    const exec = ["/bin/mkdir", "/tmp/new"];
    await using pod = await prepare({ app: { ...as, exec, isolators } });
    assertEquals((await pod.run()).signal, "SIGSYS");
  });

  scenario(
    `an allow-list can be as short as it gets for user ${user}`,
    async ({ pod: prepare }) => {
      const isolators = [seccomp("retain", ["write"], "EPERM")];
      const exec = ["/bin/echo", "enough"];
      await using pod = await prepare({ app: { ...as, exec, isolators } });
      assertPrints(await pod.run(), "enough\n");
    },
  );
}

scenario("a shell lives well with the default whitelist", async ({ script }) => {
  const isolators = [seccomp("retain", ["@rkt/default-whitelist"])];
  const text = "mkdir /tmp/a && echo text | tr a-z A-Z > /tmp/a/b && cat /tmp/a/b";
  await using pod = await script(text, { app: { isolators } });
  assertPrints(await pod.run(), "TEXT\n");
});

scenario("the default whitelist depends on arguments", { needs: COMPILER }, async (stage) => {
  const isolators = [seccomp("retain", ["@docker/default-whitelist"])];
  const image = await imageWithProbe(stage);
  await using pod = await stage.pod({ image, app: { exec: [FILTER_PROBE], isolators } });
  const result = await pod.run();
  assertCode(result, 0);
  assertEquals(readAttempts(result.stdout), BY_DEFAULT);
});

scenario("the default whitelist has no mounts", async ({ script }) => {
  const isolators = [seccomp("retain", ["@rkt/default-whitelist"], "EPERM")];
  await using pod = await script("mount -t tmpfs none /tmp || echo refused", {
    app: { isolators },
  });
  assertEquals((await pod.run()).stdout, "refused\n");
});

for (const set of [["@appc.io/all"], ["@appc.io/all", "read"]]) {
  scenario(`a retain-set of ${set} filters nothing`, async ({ pod: prepare }) => {
    await using pod = await prepare({ app: { exec: PRINT, isolators: [seccomp("retain", set)] } });
    assertEquals((await privileges(pod)).filtered, false);
  });
}

scenario("a remove-set of @appc.io/empty asks for this image's filter", async ({ script }) => {
  const isolators = [seccomp("remove", ["@appc.io/empty"], "EPERM")];
  await using pod = await script("umount /tmp || echo refused", { app: { isolators } });
  assertEquals((await pod.run()).stdout, "refused\n");
});

scenario("--disable-capabilities-restriction leaves the capabilities", async ({ pod: prepare }) => {
  const isolators = [isolator("capabilities-retain-set", { set: ["CAP_CHOWN"] })];
  await using pod = await prepare({ app: { exec: PRINT, isolators } });
  assertEquals(
    await privileges(pod, ["--disable-capabilities-restriction"]),
    within(ownPrivileges().bounding, 0),
  );
});

scenario("--disable-seccomp leaves the system calls, and no more", async ({ pod: prepare }) => {
  const isolators = [
    isolator("capabilities-retain-set", { set: ["CAP_CHOWN"] }),
    seccomp("retain", ["read"]),
  ];
  await using pod = await prepare({ app: { exec: PRINT, isolators } });
  assertEquals(
    await privileges(pod, ["--disable-seccomp"]),
    within(CAP_CHOWN & ownPrivileges().bounding, 0),
  );
});

scenario(
  "a call that nobody knows is said to be ignored, once, by its path",
  async ({ script }) => {
    const isolators = [seccomp("retain", ["@rkt/default-whitelist", "reed"])];
    await using pod = await script("echo started", { app: { isolators } });
    const result = await pod.run();
    assertPrints(result, "started\n");
    assertMatch(
      result.stderr,
      /^run: apps\[0\]\.app\.isolators\[0\][^\n]*set\[1\][^\n]*"reed"[^\n]*\n$/,
    );
  },
);

const refused: [what: string, isolator: { name: string; value: unknown }, matter: RegExp][] = [
  [
    "a capability that Linux does not have",
    isolator("capabilities-retain-set", { set: ["CAP_CHOWN", "CAP_FLY"] }),
    /isolators\[0\].*CAP_FLY/,
  ],
  ["a call to refuse that nobody knows", seccomp("remove", ["rebooot"]), /set\[0\].*rebooot/],
  ["a set that nobody knows", seccomp("retain", ["@rkt/magic"]), /set\[0\].*@rkt\/magic/],
  ["a remove-set of all calls", seccomp("remove", ["@appc.io/all"]), /set\[0\].*@appc\.io\/all/],
  ["a retain-set of no call", seccomp("retain", ["@appc.io/empty"]), /set\[0\].*@appc\.io\/empty/],
  ["an error that nobody knows", seccomp("remove", ["reboot"], "EBOGUS"), /errno.*EBOGUS/],
];

for (const [what, entry, matter] of refused) {
  scenario(`run refuses ${what}`, async ({ script }) => {
    await using pod = await script("echo started", { app: { isolators: [entry] } });
    const result = await pod.run();
    assertRefused(result, "run", matter);
    assertEquals(pod.foreignMounts(), []);
  });
}

/** A host without one capability that every entrypoint would keep. */
const POORER: Host = {
  wrap: (argv) => ["setpriv", "--bounding-set=-dac_read_search", "--inh-caps=-all", ...argv],
};

scenario(
  "--debug lists no capability as kept that the host does not have",
  { flavor: "either", needs: [{ what: "setpriv", met: which("setpriv") !== undefined }] },
  async ({ script }) => {
    await using pod = await script("true");
    const { code, stderr } = await pod.run({ host: POORER, flags: { debug: true } });
    assertEquals(code, 0, stderr);
    const kept = stderr.match(/^run: keep the capabilities .*$/m)?.[0] ?? "";
    assertEquals(["CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH"].map((name) => kept.includes(name)), [
      true,
      false,
    ]);
  },
);
