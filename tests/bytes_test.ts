/** Tests of names that are not UTF-8: to the kernel, names, arguments and variables are bytes. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Flavor } from "../src/stage1/flavor.ts";
import { assertCode, assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { mountTmpfs, type Result } from "./host.ts";
import { parseDump, shellIn, spellBytes, withRawBytes } from "./raw_bytes.ts";
import { EVERY_KERNEL, type Kernel, scenario, type Stage } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** Variables of a caller that has another encoding; for the second, the runtime would panic. */
const LATIN1_CALLER = ["TERM=\\0377", "NODE_OPTIONS=\\0376", "LANG=\\0375", "\\0374=\\0374"];

/** Returns shell commands that print a file of the shell's in /proc as numbers. */
const dump = (file: string) => `od -An -v -tx1 /proc/$$/${file}; exit`;

async function startPod({ script }: Stage): Promise<Pod> {
  const pod = await script("echo up; exec sleep 100");
  const program = await pod.start();
  await program.prints("up");
  return pod;
}

/** Splits what the kernel keeps of arguments or variables; each ends with a zero byte. */
function splitAtZeros(bytes: readonly number[]): number[][] {
  const parts: number[][] = [[]];
  for (const byte of bytes) {
    if (byte === 0) parts.push([]);
    else parts.at(-1)!.push(byte);
  }
  return parts.slice(0, -1);
}

function encode(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

/** Returns what the dump shows, once the program that printed it has succeeded in silence. */
function dumped(result: Result): number[][] {
  assertQuiet(result);
  return splitAtZeros(parseDump(result.stdout));
}

const ALL_BYTES = Array.from({ length: 255 }, (_, i) => i + 1);

/** What the launcher hands over in the place of an argument that is not UTF-8. */
const PLACEHOLDER = "(an argument that is not UTF-8)";

scenario("a command gets the bytes of its arguments", { flavor: "either" }, async (stage) => {
  await using pod = await startPod(stage);
  const args: number[][] = [
    ...[ALL_BYTES, [0xff], [0x80, 0x0a], encode("é\n"), encode("\ufeff🐢")],
    ...[[], encode(PLACEHOLDER), encode("\ufffd"), [0xed, 0xb3, 0xbf], [0xc3]],
    Array.from({ length: 10_000 }, () => 0xe9),
  ];
  const command = ["/bin/sh", "-c", dump("cmdline"), "sh", ...args.map(spellBytes)];
  const result = await pod.enter("app", command, { host: withRawBytes() });
  assertEquals(dumped(result).slice(4), args);
});

scenario("an argument that looks like the placeholder stays itself", async (stage) => {
  await using pod = await startPod(stage);
  assertPrints(await pod.enter("app", ["echo", PLACEHOLDER, "x"]), `${PLACEHOLDER} x\n`);
});

scenario("a command gets the bytes of the caller's TERM", { flavor: "either" }, async (stage) => {
  await using pod = await startPod(stage);
  for (const [term, expected] of [["\\0377", [0xff]], ["", []], ["a\\0012b", encode("a\nb")]]) {
    const host = withRawBytes([...LATIN1_CALLER, `TERM=${term}`]);
    const result = await pod.enter("app", ["/bin/sh", "-c", dump("environ")], { host });
    const terms = dumped(result).filter((it) => `${it}`.startsWith(`${encode("TERM=")}`));
    assertEquals(terms, [[...encode("TERM="), ...expected as number[]]]);
  }
});

scenario(
  "run, stop and gc take a caller with variables that are not UTF-8",
  { flavor: "either" },
  async ({ script }) => {
    const host = withRawBytes(LATIN1_CALLER);
    await using pod = await script("echo up; exec sleep 100");
    const program = await pod.start({ host });
    await program.prints("up");
    assertQuiet(await pod.stop({ host, force: true }));
    await program.result;
    assertQuiet(await pod.gc({ host }));
  },
);

scenario("an error shows bytes that are not UTF-8", { flavor: "either" }, async (stage) => {
  await using pod = await startPod(stage);
  const host = withRawBytes();
  const missing = await pod.enter("app", ["/bin/x\\0351\\0302\\0233"], { host });
  assertRefused(missing, "enter", /: Unable to open "\/bin\/x\\xe9\\u\{9b\}": No such file/);
  const wrong = await pod.stop({ args: ["--\\0351"], host });
  assertRefused(wrong, "stop", /^stop: --\\xe9: no such flag: --help shows what there is\n$/);
});

scenario("the name of a program may be any bytes", { flavor: "either" }, async (stage) => {
  await using pod = await stage.script(
    `name=$(printf '/bin/\\377')
    printf '#!/bin/sh\necho found' >"$name" && chmod +x "$name"
    echo up; exec sleep 100`,
  );
  const program = await pod.start();
  await program.prints("up");
  const host = withRawBytes();
  const result = await pod.enter("app", ["\\0377"], { host, flags: ["--debug"] });
  const { stderr } = result;
  assertPrints(result, "found\n");
  assertStringIncludes(stderr, "enter: execute \\xff as /bin/\\xff\n");
});

/** Names of mounts, as printf(1) takes them: Latin-1, UTF-8, and what mountinfo escapes. */
const MOUNTS = ["\\351", "\\303\\251", "new\\nline", "\\357\\273\\277x", "back\\\\slash\\040"];
const MOUNT_NAMES = MOUNTS.map((name) => `"$(printf '${name}')"`).join(" ");

/** Mounts a tmpfs with a file at each of the names. */
async function mountAll(dir: string): Promise<AsyncDisposable> {
  const mount = 'mkdir "$name" && mount -t tmpfs tmpfs "$name" && echo here >"$name/file"';
  await shellIn(dir, `for name in ${MOUNT_NAMES}; do ${mount} || exit; done`);
  return {
    async [Symbol.asyncDispose]() {
      await shellIn(dir, `for name in ${MOUNT_NAMES}; do umount "./$name" || exit; done`);
    },
  };
}

/** The kernels of each flavor: isolated pods need a later one than the oldest. */
const KERNELS: [Flavor, readonly Kernel[]][] = [["host", EVERY_KERNEL], ["isolated", ["now"]]];

for (const [flavor, kernels] of KERNELS) {
  for (const readOnly of [true, false]) {
    scenario(
      `mounts in a recursive volume${readOnly ? " to read" : ""} may have any names`,
      { flavor, kernels },
      async ({ dir, script }) => {
        // What is in a mount of the host's is shared with the pod, if the host's mount can be.
        await using _source = await mountTmpfs(`${dir}/data`);
        await using _mounts = await mountAll(`${dir}/data`);
        const look = "cat file; echo new 2>/dev/null >new || echo refused";
        await using pod = await script(
          `for name in ${MOUNT_NAMES}; do cd "/srv/$name" && ${look}; done`,
          {
            volumes: [{
              name: "data",
              kind: "host",
              source: `${dir}/data`,
              readOnly,
              recursive: true,
            }],
            mounts: [{ volume: "data", path: "/srv" }],
          },
        );
        const expected = readOnly ? "here\nrefused\n" : "here\n";
        assertPrints(await pod.run(), expected.repeat(MOUNTS.length));
      },
    );
  }
}

scenario("gc takes down mounts of any names", { flavor: "either" }, async ({ script }) => {
  await using pod = await script("true");
  assertQuiet(await pod.run());
  await mountAll(pod.dir);
  const result = await pod.gc({ args: ["--debug", pod.uuid] });
  assertCode(result, 0);
  assertStringIncludes(result.stderr, "/\\xe9\n");
  assertEquals(pod.foreignMounts(), []);
});

scenario(
  "a volume goes where a link of the image leads, by any name",
  { flavor: "either" },
  async ({ dir, image, pod: prepare }) => {
    const made = await image({
      app: { exec: ["/bin/sh", "-c", `cat "$(printf '/d\\351r/sub/file')"`] },
    });
    await shellIn(`${made}/rootfs`, `ln -s "$(printf 'd\\351r')" way`);
    await Deno.mkdir(`${dir}/data`);
    await Deno.writeTextFile(`${dir}/data/file`, "found\n");
    await using pod = await prepare({
      image: made,
      volumes: [{ name: "data", kind: "host", source: `${dir}/data` }],
      mounts: [{ volume: "data", path: "/way/sub" }],
    });
    assertPrints(await pod.run(), "found\n");
  },
);

scenario(
  "the source of a volume may be a link to any name",
  { flavor: "either" },
  async ({ dir, script }) => {
    await shellIn(
      dir,
      `d=$(printf 'd\\351') && mkdir "$d" && echo found >"$d/file" && ln -s "$d" way`,
    );
    await using pod = await script("cat /srv/file", {
      volumes: [{ name: "data", kind: "host", source: `${dir}/way` }],
      mounts: [{ volume: "data", path: "/srv" }],
    });
    const result = await pod.run({ flags: { debug: true } });
    assertPrints(result, "found\n");
    assertStringIncludes(result.stderr, `${dir}/d\\xe9`);
  },
);

scenario("an interpreter may have any name", { flavor: "either" }, async ({ image, pod }) => {
  const made = await image({ app: { exec: ["/script"] } });
  const script = "printf '#!/\\351/sh\\necho found' >script && chmod +x script";
  await shellIn(`${made}/rootfs`, script);
  {
    await using missing = await pod({ image: made });
    assertRefused(await missing.run(), "run", /: Unable to open "\/\\xe9\/sh": No such file/);
  }
  await shellIn(`${made}/rootfs`, `ln -s bin "$(printf '\\351')"`);
  await using whole = await pod({ image: made });
  assertPrints(await whole.run(), "found\n");
});

scenario("lists of users may be Latin-1", { flavor: "either" }, async ({ image, pod: prepare }) => {
  const look = 'id -u; printf %s "$HOME" | od -An -v -tx1';
  const exec = ["/bin/sh", "-c", `${look}; echo up; exec sleep 100`];
  const made = await image({ app: { exec, user: "volo" } });
  const lines =
    "m\\374ller:x:7:7:M\\374ller:/:\\nvolo:x:1234:1:Andr\\351:/home/andr\\351:/bin/sh\\n";
  await shellIn(`${made}/rootfs/etc`, `printf '${lines}' >passwd`);
  await using pod = await prepare({ image: made });
  const program = await pod.start();
  await program.prints("up\n");
  const entered = await pod.enter("app", ["/bin/sh", "-c", look]);
  assertQuiet(entered);
  for (const { stdout } of [program, entered]) {
    const [uid, home = ""] = stdout.split("\n");
    assertEquals(uid, "1234");
    assertEquals(parseDump(home), [...encode("/home/andr"), 0xe9]);
  }
});

scenario("a host name may be any bytes", { flavor: "isolated" }, async ({ script }) => {
  await using pod = await script("hostname | od -An -v -tx1");
  const result = await pod.run({ flags: { hostname: "h\\0351" }, host: withRawBytes() });
  assertEquals(parseDump(result.stdout), [0x68, 0xe9, 0x0a]);
});

scenario(
  "a network's plugin inherits variables of any bytes, and fails with a message of any",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await using pod = await script("true");
    assertQuiet(await pod.run());
    const fail = `printf '{"code": 7, "msg": "caf\\351"}'; exit 1`;
    const text = `#!/bin/sh\nod -An -v -tx1 /proc/$$/environ >${dir}/seen\n${fail}\n`;
    await Deno.writeTextFile(`${dir}/plugin`, text, { mode: 0o755 });
    const call = {
      type: "plugin",
      path: `${dir}/plugin`,
      cniVersion: "0.4.0",
      configuration: "{}",
    };
    const network = { name: "lan", ifName: "eth0", args: "", calls: [call] };
    const record = { searchPath: dir, networks: [network] };
    await Deno.writeTextFile(`${pod.dir}/networks.json`, JSON.stringify(record));
    await Deno.writeTextFile(`${pod.dir}/netns`, "");
    const { stderr } = await pod.gc({ host: withRawBytes(["LATIN1=caf\\0351"]) });
    assertStringIncludes(stderr, "plugin: caf\\xe9");
    const seen = splitAtZeros(parseDump(await Deno.readTextFile(`${dir}/seen`)));
    const variable = `${[...encode("LATIN1=caf"), 0xe9]}`;
    assertEquals(seen.filter((it) => `${it}` === variable).length, 1);
  },
);
