/**
 * The arguments that rkt passes to `run`.
 *
 * @module
 */

/** What the user asked of `rkt run`, as far as a stage1 hears of it. */
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
  /** Whether apps come and go. */
  mutable?: boolean;
  /** `--ipc` */
  ipc?: string;
}

/** The same with all that rkt always passes. */
export type AllRunFlags = RunFlags & { net: string };

/** Who writes the files by which an app resolves names. */
export interface DnsModes {
  /** For `/etc/resolv.conf`. */
  resolv?: "host" | "stage0" | "none" | "default";
  /** For `/etc/hosts`. */
  hosts?: "host" | "stage0" | "default";
}

/** A flag, and the version of the interface that brought it. */
type Flag = [since: number, text: string | false];

/** Spells the flags in rkt's order; those that the stage1 does not know yet are left out. */
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
