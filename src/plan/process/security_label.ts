/**
 * The security label that an app's program starts with, decided before it is requested: appc spec
 * 0.8.11, `spec/ace.md`, "os/linux/selinux-context" and "os/linux/apparmor-profile".
 *
 * @module
 */

import type { Isolators } from "../../appc/isolators.ts";

/** Security modules: those that are active on the host, or those to look for. */
export interface SecurityModules {
  selinux: boolean;
  apparmor: boolean;
}

/** A label that the program gets at the next execve(2). */
export interface LabelStep {
  /** The kernel's file for it, relative to /proc. Each thread has its own. */
  path: string;
  text: string;
  /** The profile or context alone, as messages name it. */
  label: string;
  /** The isolator that asks for it, as messages name it. */
  isolator: string;
}

/** The labels of an app. */
export interface LabelPlan {
  labels: LabelStep[];
  /** What has no effect, and why: one line each. */
  notes: string[];
}

/**
 * Tells which security modules the isolators need.
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
 * Decides the labels of an app. The app's isolators go before the pod's.
 *
 * Whether the host has a profile or a context, the kernel decides when the program gets it.
 *
 * @throws {Error} when a profile is asked for and the host has no AppArmor.
 */
export function planLabels(app: Isolators, pod: Isolators, host: SecurityModules): LabelPlan {
  const plan: LabelPlan = { labels: [], notes: [] };
  planSelinux(app.selinuxContext ?? pod.selinuxContext, host, plan);
  planApparmor(app.apparmorProfile ?? pod.apparmorProfile, host, plan);
  return plan;
}

/** By the spec, a host without SELinux may ignore its contexts. */
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

/** An app must not run without the profile that is to confine it, whatever the reason. */
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
