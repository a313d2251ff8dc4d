/**
 * What tests of `rkt attach` have in common: apps that clients attach to, and their clients.
 *
 * @module
 */

import { eventually, type Host, sleep, TERMINAL } from "./host.ts";
import { childrenOf, type Process } from "./procfs.ts";
import type { SimplePod, Stage } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

/** An app whose streams are attached to. */
export const STREAMS = { stdin: "stream", stdout: "stream", stderr: "stream" } as const;

/** An app whose terminal is attached to. */
export const TTY = { stdin: "tty", stdout: "tty", stderr: "tty" } as const;

/** An app that says back what it reads. */
export const ECHO =
  'echo up; while read -r line; do echo "got $line"; echo "err $line" >&2; done; echo end';

/** Says whether the terminal is as it was, behind what {@linkcode shell} has noted. */
export const SANE = 'test "$stty" = "$(stty -g)" && echo sane';

/** A pod of one app, which is called `app` and can be attached to. */
export interface AttachablePod extends AsyncDisposable {
  pod: Pod;
  run: Program;
}

/** Starts a pod of one app that is a shell script, and waits until it can be attached to. */
export async function startAttachable(
  { script }: Stage,
  text: string,
  options: SimplePod = {},
): Promise<AttachablePod> {
  const pod = await script(text, { streams: STREAMS, ...options });
  const run = await pod.start();
  await attachable(pod);
  return { pod, run, [Symbol.asyncDispose]: () => pod[Symbol.asyncDispose]() };
}

/** Waits until an app can be attached to, as rkt's own tests do. */
export async function attachable(pod: Pod, app = "app"): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    if ((await pod.apps.attach(app, { mode: "list" }).result).code === 0) return;
    await sleep(100);
  }
  throw new Error("the app cannot be attached to");
}

/** Reads an app's log. */
export function logOf(pod: Pod, app = "app"): string {
  try {
    return Deno.readTextFileSync(`${pod.dir}/log/${app}.log`);
  } catch {
    return "";
  }
}

/** Waits until an app's log has a text. */
export async function logs(pod: Pod, text: string, app = "app"): Promise<void> {
  await eventually(`${JSON.stringify(text)} in the log`, () => logOf(pod, app).includes(text));
}

/** Finds `attach` below another process. */
export function findAttach({ pid }: { pid: number }): Process | undefined {
  for (const child of childrenOf(pid)) {
    const found = child.argv[0]?.endsWith("/attach") ? child : findAttach(child);
    if (found) return found;
  }
  return undefined;
}

/** Returns a host with a terminal and a shell with job control, which calls `$@`. */
export function shell(text: string): Host {
  const script = `set -m; stty=$(stty -g); ${text}`;
  return { wrap: (argv) => TERMINAL.wrap(["bash", "--norc", "-c", script, "bash", ...argv]) };
}

/** Calls `$@` in {@linkcode shell}, and says how it ends. By SIGINT, bash would end with it. */
export const STATUS = `sh -c 'trap : INT; "$@"; echo "status $?"' sh "$@"`;

/** Returns a host whose programs have other streams than usual: `<file`, `>file`. */
export function redirected(text: string): Host {
  return { wrap: (argv) => ["bash", "--norc", "-c", `exec "$@" ${text}`, "bash", ...argv] };
}
