/** Tests of manifests that describe no valid pod: `run` refuses in one line and leaves nothing. */

import { assertEquals } from "@std/assert";
import { tellIgnored } from "../src/plan/fields.ts";
import { assertQuiet, assertRefused, editJson } from "./expect.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** Changes a composed pod so that `run` has to refuse it. */
type Spoil = (pod: Pod) => unknown;

/** Replaces the pod manifest. */
function manifest(text: string | Uint8Array): Spoil {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return (pod) => Deno.writeFile(`${pod.dir}/pod`, bytes);
}

/** Replaces a field of the pod's only app. */
function appField(field: string, value: unknown): Spoil {
  return (pod) =>
    editJson(`${pod.dir}/pod`, (manifest) => {
      manifest.apps[0].app[field] = value;
    });
}

/** Replaces a field of the pod manifest. */
function podField(field: string, value: unknown): Spoil {
  return (pod) =>
    editJson(`${pod.dir}/pod`, (manifest) => {
      manifest[field] = value;
    });
}

/** Changes the pod's list of apps. */
function apps(change: (apps: Record<string, unknown>[]) => unknown[]): Spoil {
  return (pod) =>
    editJson(`${pod.dir}/pod`, (manifest) => {
      manifest.apps = change(manifest.apps);
    });
}

/** Makes a word of a file end with a byte that is no UTF-8. */
async function latin1(file: string, word: string): Promise<void> {
  const bytes = await Deno.readFile(file);
  const end = new TextDecoder().decode(bytes).indexOf(word) + word.length;
  bytes[end - 1] = 0xe9;
  await Deno.writeFile(file, bytes);
}

const IMAGE_MANIFEST = "appsinfo/app/manifest";

const table: [what: string, spoil: Spoil, matter: RegExp][] = [
  ["a pod manifest that is missing", (pod) => Deno.remove(`${pod.dir}/pod`), /^run: pod: /],
  ["an empty pod manifest", manifest(""), /^run: pod: not JSON/],
  [
    "a truncated pod manifest",
    (pod) => Deno.truncate(`${pod.dir}/pod`, 100),
    /^run: pod: not JSON/,
  ],
  ["a pod manifest that is no JSON", manifest("name: app\n"), /^run: pod: not JSON/],
  [
    "a pod manifest that is binary",
    manifest(new Uint8Array([0, 255, 254, 1])),
    /^run: pod: not JSON/,
  ],
  [
    "a pod manifest that is Latin-1",
    (pod) => latin1(`${pod.dir}/pod`, "/bin/sh"),
    /^run: pod: not JSON: it is not UTF-8/,
  ],
  ["an exec with half a pair", appField("exec", ["a", "\udcff"]), /exec\[1\]: has half of a sur/],
  ["a pod manifest that is a list", manifest("[]"), /^run: pod: .*object/],
  ["a pod manifest that is null", manifest("null"), /^run: pod: .*object/],
  ["a pod manifest of 10 MB", manifest(`{"pad":"${"x".repeat(10_000_000)}"}`), /^run: pod: /],
  ["a pod manifest that is deep", manifest("[".repeat(1_000_000)), /^run: pod: /],
  ["a pod manifest of another kind", podField("acKind", "ImageManifest"), /acKind/],
  ["a pod manifest of a version that is none", podField("acVersion", "new"), /acVersion/],
  ["a pod without a list of apps", podField("apps", {}), /apps/],
  ["a pod without apps", podField("apps", []), /apps/],
  ["two apps of one name", apps((all) => [...all, ...all]), /apps\[1\]\.name/],
  ["an app without a name", apps(([app]) => [{ ...app, name: undefined }]), /apps\[0\]\.name/],
  ["an app with a path as name", apps(([app]) => [{ ...app, name: "../app" }]), /apps\[0\]\.name/],
  ["an app that nobody prepared", apps(([app]) => [{ ...app, name: "other" }]), /appsinfo\/other/],
  ["volumes that are no list", podField("volumes", "all"), /volumes/],
  ["a volume without a kind", podField("volumes", [{ name: "v" }]), /volumes\[0\]/],
  ["an exec that is text", appField("exec", "/bin/sh -c true"), /apps\[0\]\.app\.exec/],
  ["an exec with a number", appField("exec", ["/bin/sh", 1]), /apps\[0\]\.app\.exec\[1\]/],
  ["an exec with NUL", appField("exec", ["/bin/sh", "a\0b"]), /apps\[0\]\.app\.exec\[1\]/],
  ["an empty exec", appField("exec", []), /exec/],
  ["an exec without a program", appField("exec", [""]), /exec/],
  ["a user that is a number", appField("user", 0), /apps\[0\]\.app\.user/],
  ["an empty user", appField("user", ""), /apps\[0\]\.app\.user/],
  ["an empty group", appField("group", ""), /apps\[0\]\.app\.group/],
  ["groups that are names", appField("supplementaryGIDs", ["a"]), /supplementaryGIDs\[0\]/],
  ["negative groups", appField("supplementaryGIDs", [-1]), /supplementaryGIDs\[0\]/],
  ["a relative working directory", appField("workingDirectory", "srv"), /workingDirectory/],
  [
    "a variable without a name",
    appField("environment", [{ value: "x" }]),
    /environment\[0\]\.name/,
  ],
  [
    "a name with =",
    appField("environment", [{ name: "A=B", value: "" }]),
    /environment\[0\]\.name/,
  ],
  [
    "a value with NUL",
    appField("environment", [{ name: "A", value: "\0" }]),
    /environment\[0\]\.value/,
  ],
  [
    "a mount point without a path",
    appField("mountPoints", [{ name: "a" }]),
    /mountPoints\[0\]\.path/,
  ],
  [
    "a port beyond the last",
    appField("ports", [{ name: "http", protocol: "tcp", port: 65536 }]),
    /apps\[0\]\.app\.ports\[0\]\.port/,
  ],
  [
    "an image manifest that is missing",
    (pod) => Deno.remove(`${pod.dir}/${IMAGE_MANIFEST}`),
    /appsinfo\/app\/manifest/,
  ],
  [
    "a truncated image manifest",
    (pod) => Deno.truncate(`${pod.dir}/${IMAGE_MANIFEST}`, 50),
    /appsinfo\/app\/manifest: not JSON/,
  ],
  [
    "an image manifest of another kind",
    (pod) => Deno.copyFile(`${pod.dir}/pod`, `${pod.dir}/${IMAGE_MANIFEST}`),
    /appsinfo\/app\/manifest: .*acKind/,
  ],
  [
    "an app that no manifest describes",
    async (pod) => {
      await apps(([app]) => [{ ...app, app: undefined }])(pod);
      await editJson(`${pod.dir}/${IMAGE_MANIFEST}`, (manifest) => delete manifest.app);
    },
    /apps\[0\]\.app/,
  ],
];

for (const [what, spoil, matter] of table) {
  scenario(`run refuses ${what}`, async ({ script }) => {
    await using pod = await script("echo started");
    await spoil(pod);
    const result = await pod.run();
    assertRefused(result, "run", matter);
    assertEquals(result.stdout, "");
    assertEquals(pod.foreignMounts(), []);
    assertEquals(pod.readNumber("pid"), undefined);
  });
}

scenario("what a manifest says cannot write on the terminal", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: ["\x1b[2J\x07/bin/\r\nrun: fine"] } });
  const result = await pod.run();
  assertRefused(result, "run", /exec\[0\]/);
  assertEquals(/(?!\n)\p{Cc}/u.test(result.stderr), false, JSON.stringify(result.stderr));
});

scenario("fields that nobody knows are neither errors nor remarked on", async ({ script }) => {
  await using pod = await script("true");
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.future = { of: ["appc"] };
    manifest.apps[0].app.__proto__x = 1;
  });
  assertQuiet(await pod.run());
});

const ignored: [what: string, spoil: Spoil, line: string][] = [
  [
    "an isolator of the app that nobody knows",
    appField("isolators", [{ name: "example.com/gravity", value: { limit: "1" } }]),
    tellIgnored("unknown isolators", "apps[0].app.isolators[0] (example.com/gravity)"),
  ],
  [
    "an isolator of the pod that nobody knows",
    podField("isolators", [{ name: "example.com/gravity", value: { limit: "1" } }]),
    tellIgnored("unknown isolators", "isolators[0] (example.com/gravity)"),
  ],
  [
    "an annotation of ours that is misspelled",
    podField("annotations", [{ name: "stage1-volo/protect-kernel-path", value: "true" }]),
    tellIgnored("unknown annotations", "annotations[0] (stage1-volo/protect-kernel-path)"),
  ],
  [
    "an annotation of the pod's that an app has",
    (pod) =>
      editJson(`${pod.dir}/pod`, (manifest) => {
        manifest.apps[0].annotations = [
          { name: "stage1-volo/follow-volume-links", value: "true" },
        ];
      }),
    tellIgnored("unknown annotations", "apps[0].annotations[0] (stage1-volo/follow-volume-links)"),
  ],
  [
    "where a stream of the only app is to lead",
    (pod) =>
      editJson(`${pod.dir}/pod`, (manifest) => {
        manifest.apps[0].annotations = [{ name: "coreos.com/rkt/stage2/stdout", value: "null" }];
      }),
    tellIgnored(
      "pod: apps[].annotations, one app in the host's namespaces",
      "apps[0].annotations[0] (coreos.com/rkt/stage2/stdout)",
    ),
  ],
  [
    "how long the only app has to end in",
    (pod) =>
      editJson(`${pod.dir}/pod`, (manifest) => {
        manifest.apps[0].annotations = [{ name: "stage1-volo/stop-timeout", value: "5" }];
      }),
    tellIgnored(
      "stage1-volo/stop-timeout, one app in the host's namespaces",
      "apps[0].annotations[0] (stage1-volo/stop-timeout)",
    ),
  ],
  [
    "a port that is to be forwarded",
    async (pod) => {
      await appField("ports", [{ name: "http", protocol: "tcp", port: 80 }])(pod);
      await podField("ports", [{ name: "http", hostPort: 8080 }])(pod);
    },
    tellIgnored("pod: ports", "ports[0] (http)"),
  ],
];

const refused: [what: string, spoil: Spoil, matter: RegExp][] = [
  [
    "a port whose socket nobody has opened",
    appField("ports", [{ name: "http", protocol: "tcp", port: 80, socketActivated: true }]),
    /apps\[0\]\.app\.ports\[0\]\.socketActivated: LISTEN_FDS has no socket of tcp port 80/,
  ],
  [
    "a port of the pod that no app has",
    podField("ports", [{ name: "http", hostPort: 8080 }]),
    /ports\[0\]\.name: .*"http"/,
  ],
];

for (const [what, spoil, matter] of refused) {
  scenario(`run refuses ${what}`, async ({ script }) => {
    await using pod = await script("echo started");
    await spoil(pod);
    assertRefused(await pod.run(), "run", matter);
  });
}

for (const [what, spoil, line] of ignored) {
  scenario(`run says once that it ignores ${what}`, async ({ script }) => {
    await using pod = await script("echo started");
    await spoil(pod);
    const { code, stdout, stderr } = await pod.run();
    assertEquals({ code, stdout, stderr }, {
      code: 0,
      stdout: "started\n",
      stderr: `run: ${line}\n`,
    });
  });
}
