/**
 * What an image asks for in its own name. rkt copies an image's isolators into the pod manifest,
 * unless its user names others, and so an image may ask for every capability and for no filter.
 *
 * @module
 */

import type { Isolator } from "../../appc/app.ts";
import { readIsolators } from "../../appc/isolators.ts";
import type { NamedFilter } from "../../linux/named_filter.ts";
import type { Flavor } from "../../stage1/flavor.ts";
import type { PodApp } from "../../stage1/pod.ts";
import { annotationOfApp, isTrue } from "../annotations.ts";
import { refuseField } from "../fields.ts";
import { DEFAULT_CAPABILITIES, planPrivileges } from "./privileges.ts";

/** What an app has whose manifest says nothing of it. */
const USUAL_SHARES = 1024;

const FIELD = "image: groups, and isolators that ask for more than the default";

const OPTIONS = { disableCapabilities: false, disableSeccomp: false, restrictByDefault: true };

/** Said where nobody has decided whether the image may have what it asks for. */
const GRANTED =
  "granted: the app's annotation stage1-volo/image-privileges does not say whether it may";

/**
 * Refuses an image that asks for more than an app has by default, where the operator has said so.
 * What the operator asks for is no image's: its value in the pod manifest is another one.
 *
 * @returns What is granted although the operator has said nothing of it: one line each.
 * @throws {Error} when it is refused, or the annotation is neither `true` nor `false`; the message
 * names the place.
 */
export function judgeImagePrivileges(app: PodApp, flavor: Flavor): string[] {
  const annotation = annotationOfApp(app, "stage1-volo/image-privileges");
  if (annotation && isTrue(annotation)) return [];
  // In the host's namespaces, an app has all other privileges by default.
  const asked = [...groupsAskedFor(app), ...flavor === "isolated" ? isolatorsAskedFor(app) : []];
  if (annotation === undefined) return asked.map((what) => `${what}: ${GRANTED}`);
  if (asked[0] !== undefined) throw refuseField(FIELD, asked[0]);
  return [];
}

/** A group may own devices and files of the host, whatever user the operator gives to the app. */
function groupsAskedFor({ app, image, field }: PodApp): string[] {
  const groups = JSON.stringify(app.supplementaryGIDs);
  if (app.supplementaryGIDs.length === 0) return [];
  if (groups !== JSON.stringify(image.app?.supplementaryGIDs)) return [];
  return [`${field}.app.supplementaryGIDs: the image itself asks for ${groups}`];
}

function isolatorsAskedFor(app: PodApp): string[] {
  const ofImage = new Set(app.image.app?.isolators.map(describe));
  return app.app.isolators.flatMap((isolator, i) => {
    const more = ofImage.has(describe(isolator)) ? surplusOf(isolator) : undefined;
    const place = `${app.field}.app.isolators[${i}]`;
    return more === undefined ? [] : [`${place}: the image itself asks for ${more}`];
  });
}

function describe({ name, value }: Isolator): string {
  return JSON.stringify([name, value]);
}

/** Says what an isolator gives beyond what an app has by default. */
function surplusOf(isolator: Isolator): string | undefined {
  const { capabilities, seccomp, oomScoreAdj, cpuShares, selinuxContext, apparmorProfile } =
    readIsolators([isolator], "isolators");
  if (capabilities?.mode === "retain") return surplusOfCapabilities(capabilities.set);
  if (seccomp && isWeaker(planPrivileges({ seccomp }, OPTIONS).seccomp)) {
    return "a filter that lets more system calls through than the one by default";
  }
  if (oomScoreAdj && oomScoreAdj.value < 0) return "others to be killed for memory before it";
  if (cpuShares && cpuShares.value > USUAL_SHARES) return "a larger share of the processors";
  return selinuxContext || apparmorProfile ? "a security label of its own" : undefined;
}

function surplusOfCapabilities(set: readonly string[]): string | undefined {
  const more = set.filter((name) => !DEFAULT_CAPABILITIES.some((known) => known === name));
  return more.length === 0 ? undefined : [...new Set(more)].join(", ");
}

/** Tells whether a filter lets a call through that the one by default refuses or judges. */
function isWeaker(filter: NamedFilter | undefined): boolean {
  if (filter?.mode !== "allow") return true;
  const usual = new Set(planPrivileges({}, OPTIONS).seccomp!.syscalls);
  return filter.syscalls.some((call) => !usual.has(call));
}
