/**
 * The table of what becomes of each field of the manifests. The messages about fields without
 * effect come from it, and so does the table in `docs/fields.md`.
 *
 * @module
 */

/**
 * What is done with a field: it has its effect, is an error, has no effect, or is for stage0 or for
 * readers of the manifest.
 */
type Treatment = "honoured" | "refused" | "ignored" | "not ours";

/** One row of the table. */
interface FieldRule {
  treatment: Treatment;
  /** How it has its effect, or why it has none. */
  how: string;
}

const CHECKED = "checked when the manifest is read";
const STAGE0 = "stage0 has acted on it before this image starts";
const METADATA = "for readers of the manifests, and of rkt's metadata service";

/**
 * The rules, by field. A field of `app` has the same rule in the pod manifest and in the image
 * manifest.
 */
export const FIELD_RULES = {
  "acKind, acVersion": honoured(CHECKED),
  "pod: apps": honoured(
    "each in a root of its own; several live and die together; in a mutable pod they come and go, each for itself",
  ),
  "pod: apps[].name": honoured("`AC_APP_NAME`, and the name that `enter` takes"),
  "pod: apps[].image": notOurs(STAGE0),
  "pod: apps[].app": honoured("in place of the image's"),
  "pod: apps[].readOnlyRootFS": honoured(
    "the app's root is read-only; volumes are not, nor /tmp in the host's namespaces",
  ),
  "pod: apps[].mounts": honoured("volumes at paths; `appVolume` goes before the pod's volumes"),
  "pod: apps[].annotations": honoured(
    "coreos.com/rkt/stage2/stdin, stdout, stderr; stage1-volo/log-format, log-size, log-files, log-to, " +
      "stop-signal, stop-timeout, image-privileges; " +
      "others are for readers",
  ),
  "pod: apps[].annotations, one app in the host's namespaces": ignored(
    "the app has the caller's streams, and no log",
  ),
  "stage1-volo/stop-timeout, one app in the host's namespaces": ignored(
    "`run` becomes the app, so nobody is there to wait for its end",
  ),
  "pod: volumes (host)": honoured(
    "`source` (links are followed), `readOnly`, `recursive` (recursive if not said)",
  ),
  "pod: volumes (host) behind a link": refused(
    "where the pod's annotation stage1-volo/follow-volume-links is false",
  ),
  "pod: volumes (empty)": honoured("a directory of the pod with `mode`, `uid`, `gid`"),
  "pod: isolators": honoured("bound the app's own, as below"),
  "pod: annotations": honoured(
    "coreos.com/rkt/stage1/mutable, stage1-volo/follow-volume-links, stage1-volo/protect-kernel-paths; " +
      "others are for readers",
  ),
  "annotations for Kubernetes' logs": honoured(
    "coreos.com/rkt/experiment/logmode and kubernetes-log-dir of the pod, kubernetes-log-path of each app in it",
  ),
  "annotations for Kubernetes' logs, without its log mode": ignored(
    "the pod's coreos.com/rkt/experiment/logmode is not k8s-plain",
  ),
  "annotations for Kubernetes' logs, one app in the host's namespaces": ignored(
    "the app has the caller's streams",
  ),
  "pod: ports": ignored("the app is in the host's network, and has its own ports there"),
  "pod: ports, isolated": honoured(
    "led to the pod by the plugin `portmap`; of ports in a row the first; one that is taken is refused",
  ),
  "userAnnotations, userLabels": notOurs(METADATA),
  "image: name, labels, dependencies, pathWhitelist": notOurs(STAGE0),
  "image: annotations": honoured(
    "stage1-volo/stop-signal of an app that has none; others are for readers",
  ),
  "image: annotations, the operator's alone": ignored(
    "how the host keeps an app's log, and for how long it waits, is not the image's to say",
  ),
  "image: groups, and isolators that ask for more than the default": refused(
    "where the app's annotation stage1-volo/image-privileges is false",
  ),
  "annotation appc.io/executor/supports-systemd-notify": honoured(
    "of the app in the pod, or else of its image: `true` has the pod wait until the app tells that it is ready; " +
      "of an app that is added later it is ignored, and that is said",
  ),
  "app.exec": honoured(
    "absolute, relative to the working directory, or the first in the app's PATH that can be executed",
  ),
  "app.user, app.group": honoured("a name in the app, else a number; or the owner of a path in it"),
  "app.supplementaryGIDs": honoured("behind the primary group"),
  "app.workingDirectory": honoured("must be there"),
  "app.environment": honoured("over the defaults, and over those of the user's account"),
  "app.mountPoints": honoured("each needs a volume; its `readOnly` counts if the volume has none"),
  "app.mountPoints, isolated": honoured(
    "the app's alone; one without a volume gets an empty one, or in an image of docker's keeps what is there; " +
      "its volume may be elsewhere as well",
  ),
  "app.ports": honoured(CHECKED),
  "app.ports[].socketActivated": honoured(
    "the app gets the sockets of `LISTEN_FDS` that are bound to the port, or to the host's that leads to it; " +
      "none is an error",
  ),
  "app.eventHandlers (pre-start)": honoured("run to its end before the app, as the app"),
  "app.eventHandlers (post-stop)": honoured(
    "run when the app has ended, as the app; `run` stays to do so",
  ),
  "app.eventHandlers, isolated": honoured("run as root, with the app's capabilities and filter"),
  "os/linux/capabilities-retain-set": honoured("exactly these, as far as the host has them"),
  "os/linux/capabilities-remove-set": honoured("the spec's default of 14 without these"),
  "os/linux/no-new-privileges": honoured("prctl(2)"),
  "os/linux/seccomp-retain-set, -remove-set": honoured(
    "with `errno`, or else SIGSYS; sets of @appc.io, @docker, @rkt and @systemd; who is not root gets no new privileges either",
  ),
  "no word on capabilities or seccomp, isolated": honoured(
    "the spec's default of 14, and the filter @rkt/default-whitelist, which answers with errors",
  ),
  "os/linux/selinux-context": honoured("where the host has SELinux; else ignored, and said"),
  "os/linux/apparmor-profile": honoured(
    "a host without AppArmor or the profile does not run the app",
  ),
  "os/linux/oom-score-adj": honoured("proc_pid_oom_score_adj(5)"),
  "os/linux/cpu-shares": honoured("in a cgroup of the pod's, as the next ones; v1, hybrid and v2"),
  "resource/memory": honoured(
    "`limit` with swap, and of TCP buffers (in cgroup v1 of these apart); `request` as what is reclaimed last",
  ),
  "resource/cpu": honoured("`limit` as quota, `request` as weight"),
  "resource/block-bandwidth, resource/block-iops": honoured("on each disk, reading and writing"),
  "os/linux/cpu-shares, resource/*, isolated": honoured(
    "the pod's in a cgroup of the pod's, the app's in one of the app's below it",
  ),
  "resource/network-bandwidth": ignored("the app is in the host's network"),
  "resource/network-bandwidth, isolated": honoured(
    "of the pod, or of its only app; in each network and direction, by the plugin `bandwidth`; " +
      "where that cannot be, it is said",
  ),
  "os/unix/sysctl": refused(
    "unless the host has that value: its settings are shared, and not changed",
  ),
  "os/unix/sysctl, isolated": honoured(
    "of the pod, in its own namespaces: `net.*`, `kernel.msg*`, `kernel.sem*`, `kernel.shm*`, `fs.mqueue.*`; " +
      "others are refused as above",
  ),
  "a limit that the host cannot enforce": ignored("said with the reason"),
  "unknown isolators": ignored("not in the spec"),
  "unknown annotations": ignored(
    "no annotation of ours has this name there: see stage1-volo-annotations(7)",
  ),
  "other fields": ignored("the schema is extensible; not remarked on"),
} as const satisfies Record<string, FieldRule>;

/** The name of a row. */
export type FieldName = keyof typeof FIELD_RULES;

/**
 * Formats the note on a field without effect.
 *
 * @param place Its place in the manifest.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(
 *   tellIgnored("unknown isolators", "isolators[0] (a)"),
 *   "isolators[0] (a): ignored: not in the spec",
 * );
 * ```
 */
export function tellIgnored(field: FieldName, place: string): string {
  return `${place}: ignored: ${FIELD_RULES[field].how}`;
}

/**
 * Makes the error for a field that is refused.
 *
 * @param place Its place in the manifest.
 */
export function refuseField(field: FieldName, place: string): Error {
  return new Error(`${place}: refused: ${FIELD_RULES[field].how}`);
}

/** Formats the table as Markdown, one line for each field. */
export function describeFields(): string[] {
  return [
    "| field | | how, or why not |",
    "| --- | --- | --- |",
    ...Object.entries(FIELD_RULES).map(([field, { treatment, how }]) =>
      `| ${field} | ${treatment} | ${how} |`
    ),
  ];
}

function honoured(how: string): FieldRule {
  return { treatment: "honoured", how };
}

function refused(how: string): FieldRule {
  return { treatment: "refused", how };
}

function ignored(how: string): FieldRule {
  return { treatment: "ignored", how };
}

function notOurs(how: string): FieldRule {
  return { treatment: "not ours", how };
}
