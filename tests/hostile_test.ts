/**
 * Tests of hostile images: whatever is in an app's root, `run` makes, reads, executes or covers
 * nothing outside of it.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { assertRefused, editJson } from "./expect.ts";
import { must, type Result } from "./host.ts";
import type { FileSpec } from "./images.ts";
import { scenario, type SimplePod, type Stage } from "./scenario.ts";

/** Text that only files outside of the root hold. */
const SECRET = "secret-of-the-host";

/** A user that only the passwd file outside of the root has. */
const SPY = "1914242419";

/** Ways to point from inside a root at a directory of the host. */
const LINKS: Record<string, (outside: string) => string> = {
  "an absolute link": (outside) => outside,
  "a link that climbs": (outside) => `../../../../../../../../..${outside}`,
  "a link through /proc/self/root": (outside) => `/proc/self/root${outside}`,
  "a link through /proc/1/root": (outside) => `/proc/1/root${outside}`,
  "a link through /proc/self/cwd": () => "/proc/self/cwd/../../../outside",
  "a link to itself": () => "loop",
};

/** Paths in a root that `run` looks at, what lies outside for each, and a pod that needs them. */
const PLACES: Record<string, { file: string; outside?: string; pod?: (dir: string) => SimplePod }> =
  {
    "a volume's target": { file: "/data", pod: volume("/data") },
    "a directory above a volume's target": { file: "/data", pod: volume("/data/deep/er") },
    "a file volume's target": { file: "/data", outside: "/file", pod: fileVolume("/data") },
    "/dev": { file: "/dev" },
    "/proc": { file: "/proc" },
    "/sys": { file: "/sys" },
    "/tmp": { file: "/tmp" },
    "/etc/hosts": { file: "/etc/hosts", outside: "/file" },
    "/etc/hostname": { file: "/etc/hostname", outside: "/file" },
    "/etc/passwd": {
      file: "/etc/passwd",
      outside: "/passwd",
      pod: () => ({ app: { user: "spy" } }),
    },
    "/etc/group": {
      file: "/etc/group",
      outside: "/passwd",
      pod: () => ({ app: { group: "spy" } }),
    },
    "the owner's path": {
      file: "/owner",
      outside: "/owned",
      pod: () => ({ app: { user: "/owner" } }),
    },
    "the working directory": { file: "/work", pod: () => ({ app: { workingDirectory: "/work" } }) },
    "the program": { file: "/app", outside: "/program", pod: () => ({ app: { exec: ["/app"] } }) },
    "a directory of PATH": {
      file: "/path",
      pod: () => ({
        app: { exec: ["program"], environment: [{ name: "PATH", value: "/path" }] },
      }),
    },
  };

/** Runs a pod whose image has a link of that kind at that path. */
async function plant(stage: Stage, outside: string, kind: string, place: string): Promise<void> {
  const { file, outside: part = "", pod } = PLACES[place]!;
  const target = kind === "a link to itself" ? file.slice(1) : LINKS[kind]!(outside) + part;
  await attack(stage, { [file]: { link: target } }, pod?.(stage.dir));
}

for (const place of Object.keys(PLACES)) {
  for (const kind of Object.keys(LINKS)) {
    scenario(`${kind} at ${place} leads nowhere`, async (stage) => {
      await plant(stage, await makeOutside(stage.dir), kind, place);
    });
  }
}

for (const kind of Object.keys(LINKS)) {
  scenario(`${kind} leads nowhere, wherever it is`, { flavor: "isolated" }, async (stage) => {
    const outside = await makeOutside(stage.dir);
    for (const place of Object.keys(PLACES)) {
      await about(place, () => plant(stage, outside, kind, place));
    }
  });
}

/** Adds to an error which of many cases it is about. */
async function about(what: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    throw new Error(what, { cause: error });
  }
}

/** An ELF file whose headers claim to be as many, and to lie as far away, as they can. */
const ENDLESS_HEADERS = `\x7fELF\x02\x01\x01${"\0".repeat(9)}\x02\0\x3e\0` +
  `${"\0".repeat(12)}${"\x7f".repeat(8)}${"\0".repeat(14)}\x38\0${"\x7f".repeat(8)}`;

/** Other oddities of a root: how to make each, and the pod to run with it. */
const ODDITIES: [what: string, spoil: (root: string) => Promise<unknown>, pod?: SimplePod][] = [
  ["a FIFO as /etc/passwd", (root) => special(root, "/etc/passwd", "p"), { app: { user: "volo" } }],
  ["a FIFO as /etc/group", (root) => special(root, "/etc/group", "p"), { app: { group: "volo" } }],
  ["a FIFO as /etc/hosts", (root) => special(root, "/etc/hosts", "p")],
  ["a FIFO as /etc/hostname", (root) => special(root, "/etc/hostname", "p")],
  ["a FIFO as the program", (root) => special(root, "/app", "p"), { app: { exec: ["/app"] } }],
  ["a FIFO as /tmp", (root) => special(root, "/tmp", "p")],
  ["a disk as /etc/passwd", (root) => special(root, "/etc/passwd", "b"), { app: { user: "volo" } }],
  ["an endless device as /etc/passwd", (root) => special(root, "/etc/passwd", "c"), {
    app: { user: "volo" },
  }],
  ["a file as /dev", (root) => replace(root, "/dev", "")],
  ["a file as /proc", (root) => replace(root, "/proc", "")],
  ["a file as /etc", (root) => replace(root, "/etc", "")],
  ["a passwd of 100 MB", (root) => Deno.truncate(`${root}/etc/passwd`, 100_000_000), {
    app: { user: "spy" },
  }],
  ["a passwd that is one line", (root) => replace(root, "/etc/passwd", ":".repeat(1_000_000)), {
    app: { user: "spy" },
  }],
  ["a passwd with escapes", (root) => replace(root, "/etc/passwd", "spy\x1b[2J:x:-1:0\n"), {
    app: { user: "spy" },
  }],
  ["an id that wraps around", (root) => replace(root, "/etc/passwd", "spy:x:4294967296:0:::\n"), {
    app: { user: "spy" },
  }],
  ["a program that is no program", (root) => replace(root, "/app", "\0\0", 0o755), {
    app: { exec: ["/app"] },
  }],
  ["a program whose interpreter is missing", (root) => replace(root, "/app", "#!/x\n", 0o755), {
    app: { exec: ["/app"] },
  }],
  ["a FIFO as an interpreter", async (root) => {
    await replace(root, "/app", "#!/x\n", 0o755);
    await special(root, "/x", "p");
  }, { app: { exec: ["/app"] } }],
  ["a disk as an interpreter", async (root) => {
    await replace(root, "/app", "#!/x\n", 0o755);
    await special(root, "/x", "b");
  }, { app: { exec: ["/app"] } }],
  ["an interpreter of 100 MB", async (root) => {
    await replace(root, "/app", "#!/x\n", 0o755);
    await replace(root, "/x", "", 0o755);
    await Deno.truncate(`${root}/x`, 100_000_000);
  }, { app: { exec: ["/app"] } }],
  ["an interpreter with escapes", (root) => replace(root, "/app", "#!/\x1b[2J\u202e\n", 0o755), {
    app: { exec: ["/app"] },
  }],
  ["a program of headers without end", (root) => replace(root, "/app", ENDLESS_HEADERS, 0o755), {
    app: { exec: ["/app"] },
  }],
  ["a name with a newline", (root) => Deno.writeTextFile(`${root}/a\nrun: fine`, ""), {
    app: { workingDirectory: "/a\nrun: fine" },
  }],
  ["a root without anything", (root) => Deno.remove(`${root}/bin`, { recursive: true })],
];

for (const [what, spoil, pod] of ODDITIES) {
  scenario(`${what} does no harm`, async (stage) => {
    await makeOutside(stage.dir);
    await attack(stage, {}, pod, spoil);
  });
}

scenario("an odd root does no harm", { flavor: "isolated" }, async (stage) => {
  await makeOutside(stage.dir);
  for (const [what, spoil, pod] of ODDITIES) {
    await about(what, () => attack(stage, {}, pod, spoil));
  }
});

function volume(path: string): (dir: string) => SimplePod {
  return (dir) => ({
    volumes: [{ name: "data", kind: "host", source: `${dir}/volume` }],
    mounts: [{ volume: "data", path }],
  });
}

function fileVolume(path: string): (dir: string) => SimplePod {
  return (dir) => ({
    volumes: [{ name: "data", kind: "host", source: `${dir}/volume/file` }],
    mounts: [{ volume: "data", path }],
  });
}

/** Makes the files of the host that a hostile root points at, and a harmless volume. */
async function makeOutside(dir: string): Promise<string> {
  const outside = `${dir}/outside`;
  await Deno.mkdir(outside);
  await Deno.writeTextFile(`${outside}/file`, SECRET);
  await Deno.writeTextFile(`${outside}/passwd`, `spy:x:${SPY}:${SPY}:::\n`);
  await Deno.writeTextFile(`${outside}/program`, `#!/bin/sh\necho ${SECRET}\n`, { mode: 0o755 });
  await Deno.writeTextFile(`${outside}/owned`, "");
  await Deno.chown(`${outside}/owned`, Number(SPY), Number(SPY));
  await Deno.mkdir(`${dir}/volume`);
  await Deno.writeTextFile(`${dir}/volume/file`, "");
  return outside;
}

/** Commands by which a hostile app tries to show what lies outside of its root. */
const LOOK = "id; pwd; ls; " +
  "for file in /data /data/* /etc/* /tmp/* ./*; do test -f $file && cat $file; done; true";

async function attack(
  { dir, image, pod: prepare }: Stage,
  files: Record<string, FileSpec>,
  options: SimplePod = {},
  spoil?: (root: string) => Promise<unknown>,
): Promise<void> {
  const before = await describeTree(`${dir}/outside`);
  const made = await image({ files });
  await spoil?.(`${made}/rootfs`);
  const app = { exec: ["/bin/sh", "-c", LOOK], ...options.app };
  await using pod = await prepare({ ...options, image: made, app });
  const result = await pod.run();
  assertHarmless(result);
  assertEquals(await describeTree(`${dir}/outside`), before);
  assertEquals(pod.foreignMounts(), []);
}

function assertHarmless(result: Result): void {
  const { code, stdout, stderr } = result;
  const isShown = ["\x1b", "\u202e"].some((character) => stderr.includes(character));
  assert(!isShown, "it changed the caller's terminal");
  assert(!stdout.includes(SECRET) && !stdout.includes(SPY), `it got out:\n${stdout}`);
  if (code !== 0) assertRefused(result, "run", /./);
}

async function describeTree(path: string): Promise<string> {
  return await must(["find", path, "-printf", "%p %y %m %U %G %s %T@ %l\n"]);
}

async function special(root: string, path: string, kind: "p" | "b" | "c"): Promise<void> {
  await Deno.remove(root + path, { recursive: true }).catch(() => {});
  const numbers = { p: [], b: ["254", "0"], c: ["1", "5"] }[kind];
  await must(["mknod", root + path, kind, ...numbers]);
}

async function replace(root: string, path: string, text: string, mode = 0o644): Promise<void> {
  await Deno.remove(root + path, { recursive: true }).catch(() => {});
  await Deno.writeTextFile(root + path, text, { mode });
}

scenario("an image gives itself no privileges where the operator refuses that", {
  flavor: "isolated",
}, async (stage) => {
  const isolators = [
    { name: "os/linux/capabilities-retain-set", value: { set: ["CAP_SYS_ADMIN"] } },
    { name: "os/linux/seccomp-retain-set", value: { set: ["@appc.io/all"] } },
  ];
  await using pod = await stage.script("mount -o remount,rw /proc/sys && echo out", {
    app: { isolators },
  });
  // rkt copies the image's `app` into the pod manifest.
  await editJson(`${pod.dir}/appsinfo/app/manifest`, ({ app }) => {
    app.isolators = isolators;
  });
  const place = "apps[0].app.isolators[0]: the image itself asks for CAP_SYS_ADMIN: ";
  const granted = await pod.run();
  assertStringIncludes(granted.stderr, `run: ${place}granted: `);
  await editJson(`${pod.dir}/pod`, ({ apps: [app] }) => {
    app.annotations = [{ name: "stage1-volo/image-privileges", value: "false" }];
  });
  assertRefused(await pod.run(), "run", /isolators\[0\]: the image itself asks for CAP_SYS_ADMIN/);
});
