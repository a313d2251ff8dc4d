/**
 * The calls of the kernel that the supervisor of a pod makes: its tests have others.
 *
 * @module
 */

import { monotonicMilliseconds } from "../linux/clock.ts";
import { stopSelf, stopWith } from "../linux/job_control.ts";
import { giveBackMemory } from "../linux/memory.ts";
import { openProcess, signalProcess } from "../linux/pidfd.ts";
import { waitForEvents } from "../linux/poll.ts";
import { childrenOf } from "../linux/proc.ts";
import { signalGroupOf } from "../linux/process.ts";
import { reapEnded } from "../linux/reap.ts";
import { isIgnored } from "../linux/signal_actions.ts";
import { openSignals, readSignals, unblockSignals } from "../linux/signals.ts";
import { changeOf, hasEnded, stopOf } from "../linux/wait.ts";

/** The calls themselves. */
export const KERNEL = {
  changeOf,
  childrenOf,
  endOf: reapEnded,
  giveBackMemory,
  hasEnded,
  isIgnored,
  monotonicMilliseconds,
  openProcess,
  openSignals,
  readSignals,
  signalGroupOf,
  signalProcess,
  stopOf,
  stopSelf,
  stopWith,
  unblockSignals,
  waitForEvents,
};

/** The calls, whoever makes them. */
export type SupervisorKernel = typeof KERNEL;
