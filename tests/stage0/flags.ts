/**
 * The arguments that rkt passes to `run`.
 *
 * @module
 */

/** The options of `rkt run` that a stage1 gets to know. */
export interface RunFlags {
  /** `--debug` */
  debug?: boolean;
  /** `--net`, which rkt always passes. */
  net?: string;
  /** `--interactive` */
  interactive?: boolean;
  /** `--private-users`, as the offset and the number of users. */
  privateUsers?: string;
  /** Token of the metadata service. */
  mdsToken?: string;
  /** Directory of the local configuration. */
  localConfig?: string;
  /** `--hostname` */
  hostname?: string;
  /** Where `/etc/resolv.conf` and `/etc/hosts` come from. */
  dns?: DnsModes;
  /** The restrictions that `--insecure-options` lifts. */
  disable?: ("capabilities-restriction" | "paths" | "seccomp")[];
  /** Whether apps can be added and removed while the pod runs. */
  mutable?: boolean;
  /** `--ipc` */
  ipc?: string;
}

/** All options that rkt passes in any case. */
export type AllRunFlags = RunFlags & { net: string };

/** The sources of the files by which an app resolves names. */
export interface DnsModes {
  /** For `/etc/resolv.conf`. */
  resolv?: "host" | "stage0" | "none" | "default";
  /** For `/etc/hosts`. */
  hosts?: "host" | "stage0" | "default";
}

/** A flag, and the version of the stage1 interface that introduced it. */
type Flag = [since: number, text: string | false];

/** Spells the flags in rkt's order, without those that are newer than the stage1's interface. */
export function spellFlags(flags: AllRunFlags, interfaceVersion: number): string[] {
  return allFlags(flags)
    .filter(([since]) => since <= interfaceVersion)
    .map(([, text]) => text)
    .filter((text) => text !== false);
}

function allFlags(flags: AllRunFlags): Flag[] {
  return [
    [1, flags.debug === true && "--debug"],
    [1, `--net=${flags.net}`],
    [1, flags.interactive === true && "--interactive"],
    [1, spell("private-users", flags.privateUsers)],
    [1, spell("mds-token", flags.mdsToken)],
    [1, spell("local-config", flags.localConfig ?? "/etc/rkt")],
    [2, spell("hostname", flags.hostname)],
    [4, spellDns(flags.dns)],
    ...(flags.disable ?? []).map((name): Flag => [3, `--disable-${name}`]),
    [5, flags.mutable === true && "--mutable"],
    [6, spell("ipc", flags.ipc)],
  ];
}

function spell(name: string, value: string | undefined): string | false {
  return value !== undefined && value !== "" && `--${name}=${value}`;
}

function spellDns({ resolv = "default", hosts = "default" }: DnsModes = {}): string | false {
  const usual = resolv === "default" && hosts === "default";
  return !usual && `--dns-conf-mode=resolv=${resolv},hosts=${hosts}`;
}
