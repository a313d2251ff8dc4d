/**
 * The security label that an app's program starts with, decided before it is asked for: appc spec
 * 0.8.11, `spec/ace.md`, "os/linux/selinux-context" and "os/linux/apparmor-profile".
 *
 * @module
 */

import type { Isolators } from "../../appc/isolators.ts";

/** Which security modules the host has at work; or, of questions, which ones to look for. */
export interface SecurityModules {
  selinux: boolean;
  apparmor: boolean;
}

/** A label to be taken on at the next execve(2). */
export interface LabelStep {
  /** The kernel's file, which is each thread's own, relative to /proc. */
  path: string;
  text: string;
  /** The profile or context alone, as messages name it. */
  label: string;
  /** The isolator that asks for it, as messages name it. */
  isolator: string;
}

/** What is done about an app's labels. */
export interface LabelPlan {
  labels: LabelStep[];
  /** What has no effect, and why: one line each. */
  notes: string[];
}

/**
 * Tells which of the host's security modules the isolators name.
 *
 * @param levels The isolators of the apps and of the pod.
 */
export function needSecurityModules(levels: readonly Isolators[]): SecurityModules {
  return {
    selinux: levels.some(({ selinuxContext }) => selinuxContext),
    apparmor: levels.some(({ apparmorProfile }) => apparmorProfile),
  };
}

/**
 * Decides the labels of an app. What the app's manifest says goes over what the pod's says.
 *
 * Whether the host has a profile or a context, the kernel decides as it is asked for.
 *
 * @throws {Error} when a profile is asked for that the host cannot have.
 */
export function planLabels(app: Isolators, pod: Isolators, host: SecurityModules): LabelPlan {
  const plan: LabelPlan = { labels: [], notes: [] };
  planSelinux(app.selinuxContext ?? pod.selinuxContext, host, plan);
  planApparmor(app.apparmorProfile ?? pod.apparmorProfile, host, plan);
  return plan;
}

/** A host without SELinux may ignore its contexts, says the spec. */
function planSelinux(
  wanted: Isolators["selinuxContext"],
  host: SecurityModules,
  plan: LabelPlan,
): void {
  if (wanted === undefined) return;
  const isolator = `${wanted.field} (os/linux/selinux-context)`;
  if (!host.selinux) {
    plan.notes.push(`${isolator}: ignored: this host has no SELinux`);
    return;
  }
  const { user, role, type, level } = wanted;
  const text = [user, role, type, level].join(":");
  plan.labels.push({ path: "thread-self/attr/exec", text, label: text, isolator });
}

/** An app must not run without the profile that it was to be confined by, whatever the reason. */
function planApparmor(
  wanted: Isolators["apparmorProfile"],
  host: SecurityModules,
  plan: LabelPlan,
): void {
  if (wanted === undefined) return;
  const isolator = `${wanted.field} (os/linux/apparmor-profile)`;
  const { profile } = wanted;
  if (!host.apparmor) {
    throw new Error(`${isolator}: ${profile} is not available: this host has no AppArmor`);
  }
  plan.labels.push({
    path: "thread-self/attr/apparmor/exec",
    text: `exec ${profile}`,
    label: profile,
    isolator,
  });
}
