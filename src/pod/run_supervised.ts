/**
 * `run` for a pod that it stays with: one with namespaces of its own, and in the host's namespaces
 * one of several apps, or of one that has event handlers. It creates the pod, starts its apps, and
 * stays for as long as it lives.
 *
 * @module
 */

import { removeCgroups } from "../cgroup/remove.ts";
import { clearInherited } from "../linux/capability_sets.ts";
import { CATCHABLE_SIGNALS } from "../linux/signal_numbers.ts";
import { unblockSignals } from "../linux/signals.ts";
import { machineCgroupName } from "../plan/cgroup/names.ts";
import { type SupervisedPlan, withNetwork } from "../plan/pod.ts";
import { selfConfine } from "../process/self_confine.ts";
import { prepareHost } from "../rootfs/app_root.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { warn } from "../stage1/log.ts";
import type { NetworkFindings } from "../stage1/runtime_config.ts";
import type { PodContext, PreparedContext } from "./context.ts";
import { type CreatedPod, createPod } from "./create_pod.ts";
import { makePodNetwork, type PodNetwork, takePorts } from "./network.ts";
import { saveRun } from "./save_run.ts";
import type { SupervisorHooks } from "./supervised_pod.ts";
import { supervise } from "./supervisor.ts";
import { supervisorHooks } from "./supervisor_hooks.ts";
import { makePodUsers } from "./user_namespace.ts";

/**
 * Runs the pod to its end.
 *
 * @returns The pod's exit status.
 * @throws {Error} when anything stands in the way; nothing of the pod is left then.
 */
export function runSupervised(plan: SupervisedPlan, context: PodContext): number {
  const { debug } = context;
  clearInherited();
  // Whether a process of the host has a port, only a process may see that could take it.
  const ports = takePorts(plan.network, context);
  const users = plan.users && makePodUsers(plan.users, debug);
  selfConfine("supervisor", debug);
  // Programs of the host make the network; what they find out is part of what the apps get.
  const network = makePodNetwork(plan.network, users, ports, context);
  for (const line of [...plan.notes, ...ports?.notes ?? [], ...network.notes]) warn("run", line);
  try {
    const prepared = { ...context, users, network: network.namespace };
    using pod = build(withNetwork(plan, network), prepared, network);
    const status = supervise(leavingNetworks(supervisorHooks(pod), network));
    leaveNetworks(network);
    return status;
  } catch (error) {
    undo(network, context);
    throw error;
  }
}

/** Has the pod leave its networks as soon as none of its processes is left. */
function leavingNetworks(hooks: SupervisorHooks, { keeper }: PodNetwork): SupervisorHooks {
  return {
    ...hooks,
    end() {
      hooks.end();
      keeper?.begin();
    },
  };
}

/** Waits until the pod has left its networks. It has ended: its exit status is not changed. */
function leaveNetworks({ keeper }: PodNetwork): void {
  const notes = keeper?.finish() ?? [];
  // A reader of what is said may have stalled, and a signal has to end this process then.
  if (notes.length > 0) unblockSignals(CATCHABLE_SIGNALS);
  for (const line of notes) warn("run", line);
}

/** The sources of volumes are held open until then: longer, and the host could not unmount them. */
function build(
  plan: SupervisedPlan,
  context: PreparedContext,
  network: NetworkFindings,
): CreatedPod {
  using sources = context.sources;
  saveRun({ args: context.args, network });
  for (const app of plan.apps) prepareHost(app, sources, context.debug);
  return createPod(plan, context);
}

/**
 * Takes down what has been made. A `run` that has confined itself can undo little and leaves the
 * rest to `gc`: the error that all this came from matters more.
 */
function undo(network: PodNetwork, { args, debug }: PodContext): void {
  try {
    leaveNetworks(network);
    removeCgroups([machineCgroupName(args.uuid)], debug);
  } catch (error) {
    warn("run", `left to gc: ${describeError(error)}`);
  }
}
