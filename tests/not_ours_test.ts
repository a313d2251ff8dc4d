/** Tests of fields that stage0 has acted on or other programs read: `run` ignores them silently. */

import { assertEquals } from "@std/assert";
import { editJson } from "./expect.ts";
import { scenario } from "./scenario.ts";

const LABELS = [{ name: "version", value: "2.0.0" }, { name: "channel", value: "beta" }];
const NOTES = [{ name: "example.com/note", value: "for whoever reads it" }];
const DIGEST = `sha512-${"0123456789abcdef".repeat(8)}`;

/** Fields to add to a manifest, or to replace in it. */
type Fields = Record<string, unknown>;

const ofPod: [what: string, fields: Fields][] = [
  ["annotations of the pod", { annotations: NOTES }],
  ["what the user noted of the pod", {
    userAnnotations: { by: "me" },
    userLabels: { tier: "web" },
  }],
];

const ofRuntimeApp: [what: string, fields: Fields][] = [
  ["which image an app is of", { image: { name: "example.com/no", id: DIGEST, labels: LABELS } }],
  ["annotations of an app in the pod", { annotations: NOTES }],
];

const ofApp: [what: string, fields: Fields][] = [
  ["what the user noted of an app", { userAnnotations: { by: "me" }, userLabels: { tier: "web" } }],
];

const ofImage: [what: string, fields: Fields][] = [
  ["the image's name and labels", { name: "example.com/renamed", labels: LABELS }],
  [
    "the image's dependencies",
    { dependencies: [{ imageName: "example.com/base", imageID: DIGEST, labels: LABELS, size: 1 }] },
  ],
  ["the paths that an image is to be pruned to", { pathWhitelist: ["/nothing/else"] }],
  ["annotations of the image", { annotations: NOTES }],
];

// deno-lint-ignore no-explicit-any -- a manifest as JSON
type Part = (manifest: any) => Fields;

/** Declares a test for each row of a table; its fields go to one part of a file. */
function silent(table: [what: string, fields: Fields][], file: string, part: Part): void {
  for (const [what, fields] of table) {
    scenario(`run says nothing about ${what}`, async ({ script }) => {
      await using pod = await script("test -x /bin/busybox && echo started");
      await editJson(`${pod.dir}/${file}`, (manifest) => Object.assign(part(manifest), fields));
      const { code, stdout, stderr } = await pod.run();
      assertEquals({ code, stdout, stderr }, { code: 0, stdout: "started\n", stderr: "" });
    });
  }
}

silent(ofPod, "pod", (pod) => pod);
silent(ofRuntimeApp, "pod", (pod) => pod.apps[0]);
silent(ofApp, "pod", (pod) => pod.apps[0].app);
silent(ofImage, "appsinfo/app/manifest", (image) => image);
