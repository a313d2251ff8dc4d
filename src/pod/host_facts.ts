/**
 * The look at the host that a plan needs: once, before anything is changed.
 *
 * @module
 */

import { readCgroups } from "../linux/cgroup_paths.ts";
import { listDirectory } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import { Fd } from "../linux/fd.ts";
import { readSetting } from "../linux/kernel_file.ts";
import { readMounts } from "../linux/mount_table.ts";
import { pathOf } from "../linux/path.ts";
import { ownVariable } from "../linux/proc.ts";
import { statFd, statPath } from "../linux/stat.ts";
import { isTerminal } from "../linux/terminal.ts";
import { readConfigurationFiles } from "../network/configuration_files.ts";
import { isPluginThere } from "../network/plugin_directories.ts";
import type { HostFacts, HostQuestions } from "../plan/host_facts.ts";
import { BANDWIDTH } from "../plan/network/bandwidth.ts";
import { settingUpNetwork } from "../plan/network/failure.ts";
import { networkDirectory } from "../plan/network/networks.ts";
import { NOTIFY_SOCKET } from "../plan/notification.ts";
import type { SecurityModules } from "../plan/process/security_label.ts";
import type { SourceFacts } from "../plan/rootfs/mounts.ts";
import type { CallerStream } from "../plan/stdio.ts";
import type { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import { withContext } from "../stage1/context.ts";
import { isPassable } from "../stream/relay.ts";
import { lookAtGivenSockets } from "./given_sockets.ts";

/**
 * Looks at what of the host a pod's plan needs to be known. Changes nothing, and needs no
 * privileges.
 *
 * @param sources Keeps the sources of the volumes open, so that what was looked at is what gets
 * mounted.
 * @throws {Error} which names the field that leads to something that cannot be looked at.
 */
export function lookAtHost(
  questions: HostQuestions,
  { localConfig }: RunArguments,
  sources: VolumeSources,
): HostFacts {
  // Before the mount table is read: to walk to a source may mount what is automounted on the way.
  const sourceFacts = new Map(
    questions.sources.map(({ path, field }) => [path, lookAtSource(path, field, sources)]),
  );
  const needsMounts = questions.sources.length > 0 || questions.needsCgroups;
  const mounts = needsMounts ? readMounts() : [];
  return {
    mounts,
    sources: sourceFacts,
    cgroups: questions.needsCgroups ? readCgroups(mounts) : { v1: [], v2: [] },
    blockDevices: questions.needsBlockDevices ? listBlockDevices() : [],
    sysctls: new Map(
      questions.sysctls.map((
        { name, path, field },
      ) => [name, withContext(field, () => readSetting(path))]),
    ),
    securityModules: lookAtSecurityModules(questions.securityModules),
    callerStreams: { stdin: kindOf(0), stdout: kindOf(1), stderr: kindOf(2) },
    terminalType: ownVariable("TERM"),
    notifySocket: ownVariable(NOTIFY_SOCKET),
    sockets: lookAtGivenSockets(),
    rootOwners: new Map(
      questions.roots.map((
        { app, rootfs, field },
      ) => [app, withContext(`${field}: root`, () => statPath(rootfs).uid)]),
    ),
    networkFiles: questions.needsNetworkFiles
      ? settingUpNetwork(() => readConfigurationFiles(networkDirectory(localConfig)))
      : [],
    hasBandwidthPlugin: questions.needsBandwidthPlugin && isPluginThere(BANDWIDTH, localConfig),
  };
}

/**
 * Looks whether the host has security modules at work.
 *
 * @param wanted Those to look for; of others it is not asked.
 * @throws {SyscallError} when a file of the kernel's is there and cannot be read.
 */
export function lookAtSecurityModules(wanted: SecurityModules): SecurityModules {
  return {
    selinux: wanted.selinux && readSetting("/sys/fs/selinux/enforce") !== undefined,
    apparmor: wanted.apparmor && readSetting("/sys/module/apparmor/parameters/enabled") === "Y",
  };
}

function lookAtSource(path: string, field: string, sources: VolumeSources): SourceFacts {
  return withContext(`${field}: source of the volume`, () => {
    const fd = openSource(path, sources);
    const { mountId, isMountRoot, device } = statFd(fd);
    return { realPath: pathOf(fd), mountId, isMountRoot, device };
  });
}

/** @throws {Error} when there is none: in the words of systemd-nspawn, which scripts look for. */
function openSource(path: string, sources: VolumeSources): Fd {
  try {
    return sources.open(path);
  } catch (error) {
    if (!failedWith(error, "ENOENT")) throw error;
    throw new Error(`Failed to stat ${path}: No such file or directory`);
  }
}

function listBlockDevices(): string[] {
  return listDirectory("/sys/block").sort()
    .map((name) => readSetting(`/sys/block/${name}/dev`))
    .filter((device) => device !== undefined);
}

function kindOf(stream: number): CallerStream {
  if (isTerminal(stream)) return "terminal";
  return isPassable(new Fd(stream)) ? "pipe" : "file";
}
