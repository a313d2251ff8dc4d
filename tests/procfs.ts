/**
 * Reads what `/proc` says about mounts and processes.
 *
 * @module
 */

/** One line of `/proc/PID/mountinfo`; see proc_pid_mountinfo(5). */
export interface Mount {
  /** The mount's number, unique while it is mounted. */
  id: number;
  /** The directory of the file system that is mounted. */
  root: string;
  /** Where it is mounted. */
  path: string;
  /** The options of this mount, such as `ro`. */
  options: string[];
  /** The tags of its propagation, such as the peer group `shared:12`. */
  propagation: string[];
  /** The type of file system. */
  type: string;
  /** The options of the file system, which all its mounts share, such as `size=64k`. */
  superOptions: string[];
}

/** Reads the mounts of a process, in the kernel's order; without a PID, those of the tests. */
export function readMounts(pid: number | "self" = "self"): Mount[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/mountinfo`);
  return text.split("\n").filter((line) => line !== "").map(parseMount);
}

function parseMount(line: string): Mount {
  const [head, tail] = line.split(" - ");
  const [id, , , root, path, options, ...propagation] = head!.split(" ");
  const [type, , superOptions] = tail!.split(" ");
  return {
    id: Number(id),
    root: unescape(root!),
    path: unescape(path!),
    options: options!.split(","),
    propagation,
    type: type!,
    superOptions: superOptions!.split(","),
  };
}

/** Decodes a path, in which octal numbers replace space, tab, newline and backslash. */
function unescape(path: string): string {
  return path.replace(
    /\\([0-7]{3})/g,
    (_, octal: string) => String.fromCharCode(parseInt(octal, 8)),
  );
}

/** Lists the mounts at or below a directory, in the kernel's order. */
export function mountsUnder(dir: string, pid: number | "self" = "self"): Mount[] {
  return readMounts(pid).filter(({ path }) => path === dir || path.startsWith(`${dir}/`));
}

/** A running process. */
export interface Process {
  /** Its PID. */
  pid: number;
  /** The PID of the process that started it or has adopted it. */
  parent: number;
  /** The process group that it belongs to. */
  group: number;
  /** Whether it has ended and its parent has not yet waited for it. */
  zombie: boolean;
  /** Its arguments. */
  argv: string[];
}

/** Reads all processes that can be seen. */
export function readProcesses(): Process[] {
  return [...Deno.readDirSync("/proc")]
    .filter(({ name }) => /^\d+$/.test(name))
    .map(({ name }) => readProcess(Number(name)))
    .filter((process) => process !== undefined);
}

/**
 * Lists the PIDs of all processes that can be seen and are no older than the tests' own: whatever
 * tests start is among them, and little else of the machine's.
 */
export function pidsSinceTestsBegan(): number[] {
  const first = startOf("self");
  return [...Deno.readDirSync("/proc")]
    .filter(({ name }) => /^\d+$/.test(name) && startOf(name) >= first)
    .map(({ name }) => Number(name));
}

/** Reads when a process began, in ticks since the kernel did; NaN if there is none of that PID. */
function startOf(pid: string): number {
  try {
    return Number(fieldsOfStat(Deno.readTextFileSync(`/proc/${pid}/stat`))[19]);
  } catch {
    return NaN;
  }
}

/** Splits what is behind the program's name, which is in parentheses and may hold anything. */
function fieldsOfStat(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Reads one process; undefined if there is none of that PID. */
export function readProcess(pid: number): Process | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const argv = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0").slice(0, -1);
    const [state, parent, group] = fieldsOfStat(stat);
    return { pid, argv, zombie: state === "Z", parent: Number(parent), group: Number(group) };
  } catch {
    return undefined;
  }
}

/** Lists the children of a process. */
export function childrenOf(pid: number): Process[] {
  return readProcesses().filter(({ parent }) => parent === pid);
}

/** Reads the fields of `/proc/PID/status`, by their names. */
export function readStatus(pid: number): Record<string, string> {
  return parseStatus(Deno.readTextFileSync(`/proc/${pid}/status`));
}

/** Parses the text of `/proc/PID/status` into fields, by their names. */
export function parseStatus(text: string): Record<string, string> {
  const lines = text.split("\n").filter((line) => line !== "");
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf(":");
    return [line.slice(0, at), line.slice(at + 1).trim()];
  }));
}

/** Tells whether a process runs. A zombie does not. */
export function isAlive(pid: number): boolean {
  return readProcess(pid)?.zombie === false;
}

/** Lists the paths that a process holds: its open files, its directories, its program. */
export function pathsHeldBy(pid: number): string[] {
  const proc = `/proc/${pid}`;
  return [`${proc}/cwd`, `${proc}/root`, `${proc}/exe`, ...list(`${proc}/fd`)]
    .map(readLink)
    .filter((path) => path !== undefined);
}

/** Lists a directory of `/proc`; empty if its process has ended meanwhile. */
function list(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].map(({ name }) => `${dir}/${name}`);
  } catch {
    return [];
  }
}

function readLink(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}
