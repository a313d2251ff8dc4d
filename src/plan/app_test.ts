import "../linux/libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { lookAtHost } from "../pod/host_facts.ts";
import { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { AppPlan } from "./app.ts";
import { planQuestions } from "./host_facts.ts";
import { ARGUMENTS, composePod, type PodContent } from "./plan_testing.ts";
import { planPod, type PodPlan } from "./pod.ts";
import { requestUser } from "./process/user.ts";
import type { BindStep } from "./rootfs/mount_steps.ts";

/** The plan of a pod in the host's namespaces, on this host. */
function planHere(content: PodContent, options: Partial<RunArguments> = {}): PodPlan {
  const pod = composePod(content);
  const args = { ...ARGUMENTS, ...options };
  using sources = new VolumeSources();
  const facts = lookAtHost(planQuestions(pod, args, "host"), args, sources);
  return planPod(pod, args, "host", facts);
}

function plan(content: PodContent, options: Partial<RunArguments> = {}): AppPlan {
  return planHere(content, options).apps[0]!;
}

function annotate(name: string, value: string) {
  return { annotations: [{ name: `stage1-volo/${name}`, value }] };
}

/** A pod whose app has a volume at /data. */
function withVolume(source: string, pod: object = {}): PodContent {
  return {
    image: { mountPoints: [{ name: "data", path: "/data" }] },
    pod: { volumes: [{ name: "data", kind: "host", source }], ...pod },
  };
}

/** What is mounted at a volume's place. */
function volumeAt(target: string, { mounts }: AppPlan): BindStep | undefined {
  return mounts.filter((step) => step.kind === "bind").find((step) => step.target === target);
}

const NO_LINKS = annotate("follow-volume-links", "false");

/** A directory with a directory `real/inner` in it, and `link`, which leads to `real`. */
class Linked implements Disposable {
  readonly path = Deno.realPathSync(Deno.makeTempDirSync());

  constructor() {
    Deno.mkdirSync(`${this.path}/real/inner`, { recursive: true });
    Deno.symlinkSync("real", `${this.path}/link`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

for (const path of ["link", "link/", "link/inner"]) {
  Deno.test(`a volume whose source is ${path} is mounted, and told where it leads`, () => {
    using directory = new Linked();
    const source = `${directory.path}/${path}`;
    const real = source.replace("link", "real").replace(/\/$/, "");
    for (const pod of [{}, annotate("follow-volume-links", "true")]) {
      const step = volumeAt("/data", plan(withVolume(source, pod)));
      assertEquals([step?.source, step?.leadsTo], [source, real]);
    }
  });

  Deno.test(`the pod's annotation refuses a source that is ${path}`, () => {
    using directory = new Linked();
    const source = `${directory.path}/${path}`;
    const real = source.replace("link", "real").replace(/\/$/, "");
    assertThrows(
      () => plan(withVolume(source, NO_LINKS)),
      Error,
      `apps[0].app.mountPoints[0]: source of the volume: ${source} leads through a symbolic link ` +
        `to ${real}: refused: where the pod's annotation`,
    );
  });
}

Deno.test("a source may be written in a roundabout way without being a link", () => {
  using directory = new Linked();
  for (const path of ["real", "real/", "real//inner/.", "./real/inner/../inner", "real/../real"]) {
    const source = `/${directory.path}//${path}`;
    assertEquals(volumeAt("/data", plan(withVolume(source, NO_LINKS)))?.source, source);
  }
  for (const source of ["/", "//", "/..", "/./../"]) {
    assertEquals(volumeAt("/data", plan(withVolume(source, NO_LINKS)))?.source, source);
  }
});

Deno.test("a source that is not there is an error that names the volume's place and its path", () => {
  using directory = new Linked();
  const error = assertThrows(
    () => plan(withVolume(`${directory.path}/none`)),
    Error,
    "apps[0].app.mountPoints[0]: source of the volume",
  );
  assertEquals(String(error.cause).includes(`${directory.path}/none`), true);
});

Deno.test("the image says how an app is started unless the pod does, and then nothing of it counts", () => {
  const image = {
    exec: ["/bin/image"],
    user: "1",
    group: "2",
    supplementaryGIDs: [3],
    workingDirectory: "/image",
    environment: [{ name: "FROM", value: "image" }],
  };
  const ofImage = plan({ image });
  assertEquals(ofImage.exec, ["/bin/image"]);
  assertEquals(ofImage.workingDirectory, "/image");
  assertEquals(ofImage.environment.get("FROM"), "image");
  assertEquals([ofImage.user.user, ofImage.user.group], ["1", "2"]);

  const ofPod = plan({ image, apps: { server: { exec: ["/bin/pod", "-v"], user: "4" } } });
  assertEquals(ofPod.exec, ["/bin/pod", "-v"]);
  assertEquals(ofPod.workingDirectory, "/");
  assertEquals(ofPod.environment.has("FROM"), false);
  assertEquals([ofPod.user.user, ofPod.user.group], ["4", "0"]);
  assertEquals(ofPod.user.supplementaryGIDs, []);
});

Deno.test("an app without a program is an error that names the image", () => {
  const message = 'apps[0].app.exec: image "example.com/server" has no program to run (try --exec)';
  for (const exec of [[], [""], ["", "-v"]]) {
    assertThrows(() => plan({ image: { exec } }), Error, message);
  }
});

const FROM_DOCKER = [{ name: "appc.io/docker/repository", value: "library/web" }];

/** Whether the group, if the app has none of its name, may be the user's own. */
function groupMayBeUser(content: PodContent): boolean {
  return requestUser(composePod(content).apps[0]!).groupMayBeUser;
}

Deno.test("an image converted from docker whose group repeats its user may mean the user's group", () => {
  const image = { user: "web", group: "web" };
  assertEquals(groupMayBeUser({ annotations: FROM_DOCKER, image }), true);
  assertEquals(groupMayBeUser({ annotations: FROM_DOCKER, image, apps: { server: image } }), true);
  // The user of stage0 may have chosen another user, and left the image's group.
  const app = { user: "other", group: "web" };
  assertEquals(groupMayBeUser({ annotations: FROM_DOCKER, image, apps: { server: app } }), true);
});

Deno.test("any other image's group is what it says", () => {
  const image = { user: "web", group: "web" };
  assertEquals(groupMayBeUser({ image }), false);
  assertEquals(
    groupMayBeUser({ annotations: FROM_DOCKER, image: { ...image, group: "x" } }),
    false,
  );
  const app = { user: "web", group: "chosen" };
  assertEquals(groupMayBeUser({ annotations: FROM_DOCKER, image, apps: { server: app } }), false);
});

for (const [event, key] of [["pre-start", "preStart"], ["post-stop", "postStop"]] as const) {
  const other = { name: event === "pre-start" ? "post-stop" : "pre-start", exec: ["/bin/other"] };
  const withHandler = (...exec: string[]) => ({ eventHandlers: [other, { name: event, exec }] });

  Deno.test(`a ${event} handler is planned, with its place`, () => {
    assertEquals(plan({})[key], undefined);
    assertEquals(plan({ image: { eventHandlers: [other] } })[key], undefined);
    assertEquals(plan({ image: withHandler("act", "-v") })[key], {
      exec: ["act", "-v"],
      asRoot: false,
      field: "apps[0].app.eventHandlers[1]",
    });
  });

  Deno.test(`a ${event} handler without a program is an error`, () => {
    const message = "apps[0].app.eventHandlers[1].exec: no program to run";
    for (const exec of [[], [""]]) {
      assertThrows(() => plan({ image: withHandler(...exec) }), Error, message);
    }
  });
}

Deno.test("isolators that are ignored are told", () => {
  const isolators = [{ name: "example.com/unknown", value: 1 }];
  const { notes } = planHere({ image: { isolators } });
  assertEquals(notes.map((line) => line.slice(0, line.indexOf(": ignored: "))), [
    "apps[0].app.isolators[0] (example.com/unknown)",
  ]);
});

Deno.test("the kernel's paths are protected where the pod asks, unless stage0's user disables it", () => {
  const steps = (value: string, disablePaths: boolean) =>
    plan({ pod: annotate("protect-kernel-paths", value) }, { disablePaths }).mounts
      .filter(({ field }) => field === "annotations[0]").map(({ target }) => target);
  assertEquals(steps("true", false).includes("/sys/devices"), true);
  assertEquals(steps("true", true), []);
  assertEquals(steps("false", false), []);
});
