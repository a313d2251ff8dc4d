import { assertEquals, assertInstanceOf } from "@std/assert";
import { planQuestions } from "../plan/host_facts.ts";
import { ARGUMENTS } from "../plan/plan_testing.ts";
import { planPod } from "../plan/pod.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Flavor } from "../stage1/flavor.ts";
import { lookAtHost } from "./host_facts.ts";
import fc from "fast-check";
import { DAMAGE, IMAGE, ODD, POD, spoil, withField } from "../appc/manifest_testing.ts";
import "../linux/libc_testing.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { loadPod } from "../stage1/pod.ts";
import { describePlan } from "../plan/describe.ts";
import { VolumeSources } from "../rootfs/volume_sources.ts";

/** How many pods are tried in all. */
const RUNS = Deno.env.get("VOLO_FUZZ") === "full" ? 20_000 : 2_000;

/** A pod takes a few milliseconds; what takes this long would hang on more of the same. */
const LONGEST_MS = 2_000;

/** How an error begins that says where the manifests or the arguments are wrong. */
const PLACE =
  /^(--[a-z-]+|pod|appsinfo\/[^:]+|(apps|isolators|ports|annotations)(\[\d+\])?[^:]*)[:=]/;

/** Isolators that any host can do something about, as they are; an app may have them all. */
const RIGHT = [
  { name: "os/linux/capabilities-retain-set", value: { set: ["CAP_CHOWN"] } },
  { name: "os/linux/no-new-privileges", value: true },
  { name: "os/linux/oom-score-adj", value: 100 },
  { name: "os/linux/cpu-shares", value: 512 },
  { name: "resource/memory", value: { limit: "1Gi" } },
  { name: "resource/cpu", value: { request: "100m", limit: "0.5" } },
  { name: "resource/block-bandwidth", value: { default: true, limit: "1Mi" } },
  { name: "resource/block-iops", value: { default: true, limit: "1000" } },
  { name: "resource/network-bandwidth", value: { default: true, limit: "1G" } },
  { name: "example.com/unknown", value: { anything: [1] } },
];

const SETTING = fc.oneof(
  fc.constantFrom("kernel.ostype", "net", "net/..", "vm.compact_memory", "a\0b"),
  fc.string({ unit: "binary" }),
  fc.constant("x".repeat(256)),
);

const CAPABILITY_SET = fc.record({
  set: fc.array(fc.constantFrom("CAP_CHOWN", "CAP_NONE", "CAP___PROTO__")),
});

const SECCOMP_SET = fc.record({
  set: fc.array(
    fc.oneof(
      fc.constantFrom("@appc.io/all", "@docker/default-whitelist", "@rkt/x", "@", "reboot"),
      fc.constantFrom("__proto__", "constructor", "toString"),
      fc.string({ unit: "binary" }),
    ),
  ),
  errno: fc.constantFrom("", "EPERM", "ENONE", "E"),
});

const AMOUNT = fc.oneof(
  fc.constantFrom("0", "1m", "1e-9", "9Ei", "1e18", "1e999"),
  fc.double({ noNaN: true }),
);

const AMOUNTS = fc.record(
  { default: fc.boolean(), request: AMOUNT, limit: AMOUNT },
  { requiredKeys: [] },
);

/** The isolators whose values have most to be made of, with values that have the right form. */
const LIKELY = fc.oneof(
  isolator("os/unix/sysctl", fc.dictionary(SETTING, fc.string({ unit: "binary" }))),
  isolator("os/linux/capabilities-remove-set", CAPABILITY_SET),
  isolator("os/linux/seccomp-retain-set", SECCOMP_SET),
  isolator("os/linux/seccomp-remove-set", SECCOMP_SET),
  ...["memory", "cpu", "block-bandwidth", "block-iops"].map((name) =>
    isolator(`resource/${name}`, AMOUNTS)
  ),
  isolator("os/linux/apparmor-profile", fc.record({ profile: fc.string() })),
  fc.constant({
    name: "os/linux/selinux-context",
    value: { user: "u", role: "r", type: "t", level: "s0" },
  }),
  isolator("os/linux/oom-score-adj", ODD),
);

const ISOLATORS = fc.tuple(
  fc.subarray(RIGHT),
  fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(LIKELY, { maxLength: 2 })),
).map((lists) => lists.flat());

const SOURCE = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom("/", "/proc", "/proc/self/", "/dev/null", "//usr/./bin"),
  },
  fc.string({ unit: "binary" }).map((text) => `/${text}`),
);

/** Texts that the kernel takes, whatever they do to a terminal. */
const TEXT = fc.oneof(
  fc.constantFrom("a", "a\nb", "\u001b[2J", "\u2028", "\ud800", "=", "x".repeat(10_000)),
  fc.string({ unit: "binary", minLength: 1 }).map((text) => text.replaceAll("\0", "0")),
);

/** How a pod is run: in which flavor of image, and with which arguments. */
interface Run {
  flavor: Flavor;
  args: RunArguments;
}

const RUN: fc.Arbitrary<Run> = fc.record({
  flavor: fc.constantFrom("host", "isolated"),
  args: fc.record({
    net: fc.constantFrom("default", "host", "none", "all", "nowhere"),
    interactive: fc.boolean(),
    mdsToken: fc.constantFrom("", "token"),
    privateUsers: fc.constantFrom("", "65536:10"),
    hostname: fc.constantFrom("", "web"),
    dns: fc.record({
      resolv: fc.constantFrom("default", "host", "none", "stage0"),
      hosts: fc.constantFrom("default", "host", "stage0"),
    }),
    disablePaths: fc.boolean(),
    disableCapabilities: fc.boolean(),
    disableSeccomp: fc.boolean(),
    mutable: fc.boolean(),
    ipc: fc.constantFrom("auto", "private", "parent"),
  }).map((args) => ({ ...ARGUMENTS, ...args })),
});

/** A pod, and the image that all its apps are from, as stage0 would lay them out. */
interface Manifests {
  pod: unknown;
  image: unknown;
}

/** What differs between manifests before they are spoilt. */
interface Content {
  ofApp: unknown[];
  ofPod: unknown[];
  /** Of the volume. */
  source: string;
  protect: boolean;
  /** A word of everything that takes any. */
  text: string;
}

const CONTENT: fc.Arbitrary<Content> = fc.record({
  ofApp: ISOLATORS,
  ofPod: ISOLATORS,
  source: SOURCE,
  protect: fc.boolean(),
  text: TEXT,
});

/** Manifests that say all that a plan can be made of, and are right as far as their content is. */
function compose({ ofApp, ofPod, source, protect, text }: Content): Manifests {
  const image = fill(IMAGE, [
    [["app", "isolators"], ofApp],
    [["app", "ports", 0, "socketActivated"], false],
    [["app", "exec"], ["/bin/server", text]],
    [["app", "eventHandlers", 0, "exec"], ["/bin/prepare", text]],
    [["app", "eventHandlers", 1, "exec"], ["/bin/after", text]],
    [["app", "user"], text],
    [["app", "workingDirectory"], `/${text}`],
    [["app", "environment", 0, "value"], text],
    [["app", "mountPoints", 0, "path"], text],
  ]);
  const policy = { name: "stage1-volo/protect-kernel-paths", value: String(protect) };
  return {
    image,
    pod: fill(POD, [
      [["apps", 0, "app"], Reflect.get(image as object, "app")],
      [["apps", 0, "mounts", 0, "path"], text],
      [["isolators"], ofPod],
      [["volumes", 0, "source"], source],
      [["annotations"], [...POD.annotations, policy]],
    ]),
  };
}

const DAMAGES = fc.oneof(fc.constant([]), fc.array(DAMAGE, { maxLength: 2 }));

function isolator(name: string, value: fc.Arbitrary<unknown>) {
  return fc.record({ name: fc.constant(name), value });
}

function fill(manifest: unknown, fields: [(string | number)[], unknown][]): unknown {
  return fields.reduce((filled, [path, value]) => withField(filled, path, value), manifest);
}

/** A pod directory; the manifests of one pod after another are written there. */
class PodDirectory implements Disposable {
  readonly path = Deno.makeTempDirSync();
  readonly #apps = POD.apps.map(({ name }) => `${this.path}/appsinfo/${name}`);

  constructor() {
    for (const app of this.#apps) Deno.mkdirSync(app, { recursive: true });
  }

  write({ pod, image }: Manifests): void {
    Deno.writeTextFileSync(`${this.path}/pod`, JSON.stringify(pod) ?? "");
    for (const app of this.#apps) {
      Deno.writeTextFileSync(`${app}/manifest`, JSON.stringify(image) ?? "");
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** The plan of a pod in words; an error if it has none. */
function explain(directory: string, { flavor, args }: Run): string[] | { error: unknown } {
  const start = performance.now();
  const before = Deno.cwd();
  Deno.chdir(directory);
  try {
    using sources = new VolumeSources();
    const pod = loadPod();
    const facts = lookAtHost(planQuestions(pod, args, flavor), args, sources);
    return describePlan(planPod(pod, args, flavor, facts));
  } catch (error) {
    return { error };
  } finally {
    Deno.chdir(before);
    assertEquals(performance.now() - start < LONGEST_MS, true, "takes too long");
  }
}

function checkError(error: unknown): void {
  assertInstanceOf(error, Error);
  assertEquals(error.constructor, Error, `${error}`);
  const text = describeError(error).replace(/^stage1: failed to setup network: /, "");
  assertEquals([PLACE.test(text), text.includes("\n")], [true, false], text);
}

Deno.test("the manifests that are spoilt below have plans as they are", () => {
  using directory = new PodDirectory();
  directory.write(compose({ ofApp: RIGHT, ofPod: RIGHT, source: "/", protect: true, text: "a" }));
  const lines = explain(directory.path, { flavor: "host", args: ARGUMENTS });
  assertEquals(Array.isArray(lines), true, Deno.inspect(lines));
});

Deno.test("however spoilt the manifests are, there is a plan in lines, or an error in one", () => {
  using directory = new PodDirectory();
  fc.assert(
    fc.property(CONTENT, DAMAGES, DAMAGES, RUN, (content, ofPod, ofImage, run) => {
      const { pod, image } = compose(content);
      directory.write({ pod: ofPod.reduce(spoil, pod), image: ofImage.reduce(spoil, image) });
      const result = explain(directory.path, run);
      if ("error" in result) return checkError(result.error);
      assertEquals(result.filter((line) => /\p{Cc}/u.test(line)), []);
    }),
    { numRuns: RUNS },
  );
});
