/**
 * Checks that each row of the table of fields names a test which proves it, and that the test
 * exists.
 */

import { assert } from "@std/assert";
import { FIELD_RULES, type FieldName } from "../src/plan/fields.ts";

/** A test: the name of its file without `_test.ts`, and its own name. */
type Proof = `${string}: ${string}`;

/**
 * The tests that prove each row, on compiled entrypoints. A row without a proof is a type error.
 */
const PROOFS: Record<FieldName, [Proof, ...Proof[]]> = {
  "acKind, acVersion": [
    "bad_input: run refuses a pod manifest of another kind",
    "bad_input: run refuses a pod manifest of a version that is none",
    "bad_input: run refuses an image manifest of another kind",
  ],
  "pod: apps": [
    "run: run passes the app's output and exit code through",
    "several_apps: a pod ends with its last app, and each has its status",
    "several_apps: a pod ends with its last app, and each has its status, isolated",
  ],
  "pod: apps[].name": [
    "environment: AC_APP_NAME is the app's name in the pod",
    "enter: enter refuses an app that is not there",
  ],
  "pod: apps[].image": ["not_ours: run says nothing about which image an app is of"],
  "pod: apps[].app": [
    "run: the image's app runs where the pod manifest has none",
    "run: nothing of the image's app counts where the pod manifest has one",
  ],
  "pod: apps[].readOnlyRootFS": [
    "root: a read-only root cannot be written to, /tmp and volumes can",
  ],
  "pod: apps[].mounts": [
    "volumes: one volume can be in two places",
    "volumes: a mount's own volume goes before the pod's of that name",
  ],
  "pod: apps[].annotations": [
    "several_apps: an app's annotations say where its streams lead",
    "several_apps: an app's annotations say where its streams lead, isolated",
    "stop_signal: each app gets its own stop signal, and has not failed when it ends by that",
    "stop_signal: stop asks the only app by its own signal, isolated",
    "not_ours: run says nothing about annotations of an app in the pod",
    "logs: a log has the format that an annotation asks for",
    "logs: a log has as many files as annotations allow, and no larger ones",
    "logs: an app can be logged to the host's journal, alone or besides its files",
  ],
  "pod: apps[].annotations, one app in the host's namespaces": [
    "bad_input: run says once that it ignores where a stream of the only app is to lead",
  ],
  "stage1-volo/stop-timeout, one app in the host's namespaces": [
    "bad_input: run says once that it ignores how long the only app has to end in",
  ],
  "pod: volumes (host)": [
    "volumes: a directory of the host is the same inside and outside",
    "volumes: a source behind a link is what the link leads to",
    "volumes: the kernel calls every mount of a read-only volume so",
    "volumes: mounts inside a volume with recursive=true",
    "volumes: mounts inside a volume with recursive=undefined",
    "volumes: mounts inside a volume with recursive=false",
  ],
  "pod: volumes (host) behind a link": [
    "volumes: a source behind a link is refused where the pod asks for that, with what the link means",
  ],
  "pod: volumes (empty)": ["volumes: an empty volume has the mode and owner that it asks for"],
  "pod: isolators": [
    "resources: the pod's limit bounds the app's, and that is said",
    "resources: a kernel setting is refused unless it is so already",
  ],
  "pod: annotations": [
    "volumes: a source behind a link is refused where the pod asks for that, with what the link means",
    "root: the kernel's paths are hidden or read-only where a pod asks",
    "not_ours: run says nothing about annotations of the pod",
  ],
  "annotations for Kubernetes' logs": [
    "kubernetes_logs: each app has a file with the time and the stream of its lines",
    "kubernetes_logs: each app has a file with the time and the stream of its lines, isolated",
  ],
  "annotations for Kubernetes' logs, without its log mode": [
    "kubernetes_logs: annotations without the log mode are said to have no effect, isolated",
  ],
  "annotations for Kubernetes' logs, one app in the host's namespaces": [
    "kubernetes_logs: the only app of the host's namespaces has no file for Kubernetes",
  ],
  "pod: ports": ["bad_input: run says once that it ignores a port that is to be forwarded"],
  "pod: ports, isolated": [
    "network: a port of the host leads to the pod, by all addresses of the host",
    "network: a port of one address of the host leads to the pod by that one alone",
    "isolated_network: a pod is in the default network until it ends, isolated",
  ],
  "userAnnotations, userLabels": [
    "not_ours: run says nothing about what the user noted of the pod",
    "not_ours: run says nothing about what the user noted of an app",
  ],
  "image: name, labels, dependencies, pathWhitelist": [
    "not_ours: run says nothing about the image's name and labels",
    "not_ours: run says nothing about the image's dependencies",
    "not_ours: run says nothing about the paths that an image is to be pruned to",
  ],
  "image: annotations": [
    "stop_signal: stop asks the only app by its own signal",
    "not_ours: run says nothing about annotations of the image",
  ],
  "image: annotations, the operator's alone": [
    "logs: an image does not say how its app is logged, isolated",
  ],
  "image: groups, and isolators that ask for more than the default": [
    "hostile: an image gives itself no privileges where the operator refuses that, isolated",
  ],
  "annotation appc.io/executor/supports-systemd-notify": [
    "notify: a pod is ready when its app has told so, and nothing else that the app tells is passed on",
    "notify: a pod is ready when its app has told so, and nothing else that the app tells is passed on, isolated",
    "notify: run becomes an app that tells the service manager itself",
    "notify: an annotation that says neither yes nor no is refused",
  ],
  "app.exec": [
    "program: arguments arrive as they are, empty ones too",
    "program: a path with a slash starts at the working directory",
    "program: a bare name is looked up in the app's PATH",
  ],
  "app.user, app.group": [
    "credentials: user and group may be numbers",
    "credentials: user and group may be names of the app's own files",
    "credentials: user and group may be the owner of a path",
  ],
  "app.supplementaryGIDs": [
    "credentials: supplementary groups are the primary one and those listed",
  ],
  "app.workingDirectory": [
    "program: the app starts in its working directory",
    "program: run refuses a working directory that is not there",
  ],
  "app.environment": ["environment: the app's variables replace the defaults"],
  "app.mountPoints": [
    "volumes: a mount point of the image gets the volume of its name",
    "volumes: a mount point is read-only unless the volume says otherwise",
    "volume_errors: run refuses a mount point of the image without a volume",
  ],
  "app.mountPoints, isolated": [
    "isolated_files: a mount point without a volume gets an empty one, isolated",
    "isolated_files: a volume is at the mount point of its name and where a mount puts it, isolated",
    "isolated_files: in an image of docker's, it keeps what is there, isolated",
    "isolated_files: a mount point of the image's that the app has not is none, isolated",
  ],
  "app.ports": ["bad_input: run refuses a port beyond the last"],
  "app.ports[].socketActivated": [
    "socket_activation: an app is given the sockets of its ports",
    "socket_activation: an app is given the sockets of its ports, isolated",
    "bad_input: run refuses a port whose socket nobody has opened",
  ],
  "app.eventHandlers (pre-start)": [
    "events: a pre-start handler ends before the app starts, as the same user",
  ],
  "app.eventHandlers (post-stop)": [
    "events: a post-stop handler runs when the app has ended, and leaves its status",
  ],
  "app.eventHandlers, isolated": [
    "isolated_events: handlers are root's, with the capabilities and the filter of their app, isolated",
  ],
  "os/linux/capabilities-retain-set": ["privileges: a retain-set bounds what user volo can have"],
  "os/linux/capabilities-remove-set": [
    "privileges: a remove-set is taken from the default set of user volo",
  ],
  "os/linux/no-new-privileges": ["privileges: user volo can be without new privileges"],
  "os/linux/seccomp-retain-set, -remove-set": [
    "privileges: an allow-list can be as short as it gets for user volo",
    "privileges: a refused call gives user volo the manifest's error",
    "privileges: a filter takes new privileges from user volo unless root",
    "privileges: the default whitelist has no mounts",
  ],
  "no word on capabilities or seccomp, isolated": [
    "isolated_privileges: privileges: root has the spec's default set, and a filter, isolated",
    "isolated_privileges: by default root does what apps do, and no more, isolated",
  ],
  "os/linux/selinux-context": [
    "resources: a host without SELinux says that it ignores a context",
  ],
  "os/linux/apparmor-profile": ["resources: an AppArmor profile that is not there is refused"],
  "os/linux/oom-score-adj": ["resources: oom_score_adj is the app's"],
  "os/linux/cpu-shares": ["resources: cpu-shares are the app's share"],
  "resource/memory": [
    "resources: the app is in a cgroup of the pod's, with its limits",
    "resources: an app that exceeds its memory is killed",
  ],
  "resource/cpu": ["resources: the app is in a cgroup of the pod's, with its limits"],
  "resource/block-bandwidth, resource/block-iops": [
    "resources: a limit of every block device is set on each: resource/block-bandwidth",
    "resources: a limit of every block device is set on each: resource/block-iops",
  ],
  "os/linux/cpu-shares, resource/*, isolated": [
    "isolated_resources: pod and app have cgroups of their own, with the limits of each, isolated",
  ],
  "resource/network-bandwidth, isolated": [
    "bandwidth: traffic is limited in each direction, and a port still leads to the pod, isolated",
    "isolated_resources: a limit of traffic without a network is said to have no effect, isolated",
  ],
  "resource/network-bandwidth": ["resources: what the host's network cannot give is said"],
  "os/unix/sysctl": ["resources: a kernel setting is refused unless it is so already"],
  "os/unix/sysctl, isolated": [
    "isolated_resources: settings of the pod's own namespaces are the pod's, isolated",
    "isolated_resources: a setting of the whole host is refused unless it is so already, isolated",
  ],
  "a limit that the host cannot enforce": [
    "resources: a limit is not enforced where no cgroup can have it, and that is said",
  ],
  "unknown isolators": [
    "bad_input: run says once that it ignores an isolator of the app that nobody knows",
    "bad_input: run says once that it ignores an isolator of the pod that nobody knows",
  ],
  "unknown annotations": [
    "bad_input: run says once that it ignores an annotation of ours that is misspelled",
    "bad_input: run says once that it ignores an annotation of the pod's that an app has",
  ],
  "other fields": ["bad_input: fields that nobody knows are neither errors nor remarked on"],
};

const declared = await collectTests(new Set(Object.values(PROOFS).flat().map(fileOf)));

for (const [field, { treatment }] of Object.entries(FIELD_RULES)) {
  Deno.test(`the row "${field}" has a test that it is ${treatment}`, () => {
    for (const proof of PROOFS[field as FieldName]) {
      assert(declared.some((it) => isProof(it, proof)), `there is no test "${proof}"`);
    }
  });
}

function fileOf(proof: Proof): string {
  return proof.slice(0, proof.indexOf(": "));
}

/**
 * Tells whether a declared test is a proof. Where the machine lacks what a test needs, the end of
 * its declared name says so.
 */
function isProof(declared: string, proof: Proof): boolean {
  return declared === proof || declared.startsWith(`${proof} (needs `);
}

/**
 * Collects the tests that files declare without running them. The files are imported, as names in
 * their source may be put together from parts.
 */
async function collectTests(files: Iterable<string>): Promise<string[]> {
  const { test } = Deno;
  const found: string[] = [];
  try {
    for (const file of files) {
      const collect = (it: string | { name: string }) =>
        found.push(`${file}: ${typeof it === "string" ? it : it.name}`);
      Object.assign(Deno, { test: collect });
      await import(`./${file}_test.ts`);
    }
  } finally {
    Object.assign(Deno, { test });
  }
  return found;
}
