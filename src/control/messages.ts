/**
 * What the entrypoints ask the supervisor of a pod, and what it answers.
 *
 * A message is a JSON object, and names the descriptors that come with it in their order. A
 * connection is one request: the client speaks first, and the last message of the supervisor is
 * `ok`, `error`, or `ended` of an app that a client is attached to.
 *
 * | request  | then, from the supervisor               | then, from the client            |
 * | -------- | --------------------------------------- | -------------------------------- |
 * | `add`    | `ok` with the pod's descriptors         | `added` with the app's, `failed` |
 * | `start`  | `launch`, as often as there is to start | `launched`, or `failed`          |
 * | `attach` | `ok` with a socket for each endpoint    | `resize`, `endInput`, repeatedly |
 *
 * `stop`, `remove` and `list` are only answered.
 *
 * @module
 */

import * as z from "zod/mini";
import { ACName, textThat, wholeNumber } from "../appc/names.ts";
import { type Checked, schema } from "../appc/schema.ts";
import type { CgroupLimit } from "../plan/cgroup/placement.ts";
import type { LogPlan } from "../plan/log.ts";
import { type StdioPlan, STREAM_TARGETS } from "../plan/stdio.ts";
import type { StopPlan } from "../plan/stop.ts";
import { ENDPOINTS } from "../stage1/arguments.ts";
import type { RecordedProcess } from "../stage1/processes_file.ts";

/** The most bytes of a message. */
export const LONGEST_MESSAGE = 64 * 1024;

/** The most characters of an error's line: it has to fit into a message. */
export const LONGEST_LINE = 4096;

/** The most descriptors that come with a message. */
export const MOST_FDS = 64;

/** How much either side takes at once. */
export const MESSAGE_LIMITS = { bytes: LONGEST_MESSAGE, fds: MOST_FDS };

/** How many clients there may be at a time. */
export const MOST_CONNECTIONS = 64;

/**
 * How many of them may be attached at a time, which they are for as long as they like: the others
 * are for those who change the pod.
 */
export const MOST_ATTACHED = 48;

/** How many milliseconds a client may take for a message that is due. */
export const CLIENT_PATIENCE = 30_000;

/**
 * The descriptors that the supervisor hands out of an isolated pod, by name. Where the pod has none
 * of a kind, none is sent; in the host's namespaces, none at all.
 *
 * - `pod mounts`, `pod root`, `pod terminals`, `pod nothing`, `pod syslog`: the pod's mount
 *   namespace, the root in it, its devpts, its /dev/null, and the directory of its logs' sockets;
 * - `pod pid`, `pod net`, `pod uts`, `pod ipc`, `pod cgroup`, `pod users`: its namespaces.
 */
export const POD_FDS = {
  mounts: "pod mounts",
  root: "pod root",
  terminals: "pod terminals",
  nothing: "pod nothing",
  syslog: "pod syslog",
  pid: "pod pid",
  net: "pod net",
  uts: "pod uts",
  ipc: "pod ipc",
  cgroup: "pod cgroup",
  users: "pod users",
} as const;

/**
 * The descriptors of an app, by name. The supervisor gets them from `app-add`, keeps them, and
 * hands them to `app-start`.
 *
 * - `mounts`, `root`: the app's mount namespace, and the root in it;
 * - `cgroup`: the `cgroup.procs` or `tasks` of each cgroup that its processes join;
 * - `syslog`: the socket behind its /dev/log. `app-rm` gets it back if there are files in it, which
 *   only a process that ends may close.
 */
export const APP_FDS = {
  mounts: "mounts",
  root: "root",
  cgroup: "cgroup",
  syslog: "syslog",
} as const;

/** The phases of an app in which it has a process. */
const PHASES = ["pre-start", "running", "post-stop"] as const;

/** The phase of an app whose process is launched. */
export type LaunchPhase = typeof PHASES[number];

/**
 * Names a descriptor of one of an app's processes: the streams that the supervisor has made for it;
 * once it is launched, the pidfd and the socket of the minder that waits for it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(phaseFd("pre-start", "stdin"), "pre-start stdin");
 * ```
 */
export function phaseFd(
  phase: LaunchPhase,
  what: "stdin" | "stdout" | "stderr" | "process" | "minder",
): string {
  return `${phase} ${what}`;
}

/** The one descriptor for both ways of a terminal. Streams have one each, named by the endpoint. */
export const TTY_FD = "tty";

/** The size of a terminal. */
export const TerminalSize = schema(() =>
  z.strictObject({ rows: wholeNumber(0, 0xffff)(), columns: wholeNumber(0, 0xffff)() })
);
export type TerminalSize = Checked<typeof TerminalSize>;

/** The message that opens a connection: what a client asks for. */
export const Request = schema(() =>
  z.discriminatedUnion("do", [
    z.strictObject({ do: z.literal("add"), app: ACName() }),
    z.strictObject({ do: z.literal("start"), app: ACName() }),
    z.strictObject({ do: z.literal("stop"), app: ACName() }),
    z.strictObject({ do: z.literal("remove"), app: ACName() }),
    z.strictObject({ do: z.literal("list"), app: ACName() }),
    z.strictObject({
      do: z.literal("attach"),
      app: ACName(),
      endpoints: z.array(z.enum(ENDPOINTS)),
      size: z.optional(TerminalSize()),
    }),
  ])
);
export type Request = Checked<typeof Request>;

/** A request of one kind. */
export type RequestTo<Do extends Request["do"]> = Extract<Request, { do: Do }>;

const wholeFrom0 = wholeNumber(0, Number.MAX_SAFE_INTEGER);

/** A path, field or line. Paths of the kernel's have bytes that are no UTF-8: see `text.ts`. */
const Text = textThat((text) => !text.includes("\0"), "has a NUL character");

/** A cgroup of an app that is looked at for kills for memory. */
const WatchedCgroup = schema(() =>
  z.strictObject({
    path: Text(),
    version: z.union([z.literal(1), z.literal(2)]),
    limits: z.array(z.strictObject(
      {
        file: Text(),
        value: Text(),
        isolator: Text(),
        optional: z.optional(z.literal(true)),
      } satisfies ShapeOf<CgroupLimit>,
    )),
  })
);

/** An app that has been added: all that the supervisor needs to know of it. */
export const AddedApp = schema(() =>
  z.strictObject({
    /** Its place in the pod manifest: `apps["web"]`. */
    field: Text(),
    /** The field of the manifest that names its pre-start handler, if it has one. */
    preStart: z.optional(Text()),
    /** The field that names its post-stop handler, if it has one. */
    postStop: z.optional(Text()),
    stdio: z.strictObject(
      {
        stdin: z.enum(STREAM_TARGETS),
        stdout: z.enum(STREAM_TARGETS),
        stderr: z.enum(STREAM_TARGETS),
      } satisfies ShapeOf<StdioPlan>,
    ),
    /** How what it writes is kept. */
    log: z.optional(z.strictObject(
      {
        to: z.array(z.enum(["file", "journald"])),
        format: z.enum(["raw", "cri"]),
        size: wholeFrom0(),
        files: wholeFrom0(),
        kubernetes: z.nullable(z.strictObject({ path: Text(), field: Text() })),
      } satisfies ShapeOf<LogPlan>,
    )),
    stop: z.strictObject(
      { signal: wholeNumber(1, 64)(), patience: wholeFrom0() } satisfies ShapeOf<StopPlan>,
    ),
    /** The absolute paths of its cgroups. */
    cgroupPaths: z.array(Text()),
    /** The one of them in which all its processes are found. */
    trackedCgroup: z.optional(Text()),
    watchedCgroups: z.array(WatchedCgroup()),
  })
);
export type AddedApp = Checked<typeof AddedApp>;

/**
 * The second message of a client that adds an app: the app, whose descriptors are `APP_FDS`, with
 * what was noted; or why there is none. rkt shows nobody what the client itself says.
 */
export const Added = schema(() =>
  z.union([
    z.strictObject({ added: AddedApp(), notes: z.array(Text()) }),
    z.strictObject({ failed: Text() }),
  ])
);
export type Added = Checked<typeof Added>;

/** How `run` records a process for other entrypoints. */
const ProcessRecord = schema(() =>
  z.strictObject(
    {
      app: ACName(),
      pid: wholeNumber(1, 0x7fff_ffff)(),
      start: Text(),
      mounts: Text(),
      mountsNumber: z.optional(Text()),
      stopSignal: z.optional(wholeNumber(1, 64)()),
    } satisfies ShapeOf<RecordedProcess>,
  )
);

/** A process that has been launched. One that is deferred has no id yet. */
export const LaunchedProcess = schema(() =>
  z.strictObject({
    phase: z.enum(PHASES),
    pid: z.optional(wholeNumber(1, 0x7fff_ffff)()),
    /** Absent also of a process that has ended before it could be described. */
    record: z.optional(ProcessRecord()),
  })
);
export type LaunchedProcess = Checked<typeof LaunchedProcess>;

/**
 * A client's answer to `launch`: the processes, each with the descriptors `PHASE process` (unless
 * it is deferred) and `PHASE minder`; or why there are none.
 */
export const Launched = schema(() =>
  z.union([
    z.strictObject({ launched: z.array(LaunchedProcess()) }),
    z.strictObject({ failed: Text() }),
  ])
);
export type Launched = Checked<typeof Launched>;

/** What an attached client says: its terminal has another size, or its input has ended. */
export const AttachedInput = schema(() =>
  z.union([
    z.strictObject({ resize: TerminalSize() }),
    z.strictObject({ endInput: z.literal(true) }),
  ])
);
export type AttachedInput = Checked<typeof AttachedInput>;

/** What a client says. */
export type ClientMessage = Request | Added | Launched | AttachedInput;

/** What the supervisor answers when a request has failed. The connection is closed then. */
export const Failure = schema(() => z.strictObject({ error: Text() }));
export type Failure = Checked<typeof Failure>;

/** What the supervisor answers when it has done what was asked. */
export const Done = schema(() => z.strictObject({ ok: z.strictObject({}) }));
export type Done = Checked<typeof Done>;

/** The answer to `list`. */
export const Listed = schema(() =>
  z.strictObject({ ok: z.strictObject({ endpoints: z.array(z.enum(ENDPOINTS)) }) })
);
export type Listed = Checked<typeof Listed>;

/**
 * What the supervisor says to a client that starts an app: processes to launch, in this order, or
 * that there are no more.
 *
 * Of `["running", "post-stop"]`, the second is deferred: it begins when the supervisor says so. The
 * descriptors are the pod's, the app's, and the streams of each process.
 */
export const LaunchOrder = schema(() =>
  z.union([z.strictObject({ launch: z.array(z.enum(PHASES)) }), Done()])
);
export type LaunchOrder = Checked<typeof LaunchOrder>;

/**
 * What the supervisor says to a client that is attached: that the app has ended, or how many bytes
 * of its output the client has lost because it was slow.
 */
export const AttachedOutput = schema(() =>
  z.union([z.strictObject({ ended: z.strictObject({}) }), z.strictObject({ gap: wholeFrom0() })])
);
export type AttachedOutput = Checked<typeof AttachedOutput>;

/** What the supervisor says. */
export type ServerMessage = Failure | Done | Listed | LaunchOrder | AttachedOutput;

/** The shape of a schema for a type that is declared elsewhere: none of its fields is forgotten. */
type ShapeOf<T> = { [K in keyof Required<T>]: z.ZodMiniType<T[K]> };
