/**
 * A program that tries everything that a stage1 may need or abuse, and prints the outcome of each.
 * Compiled with an entrypoint's permissions, it shows what that entrypoint could do.
 *
 * @module
 */

const LIBC = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
];

/** The attempts, by name; the working directory is a pod's. */
const attempts: Record<string, () => unknown> = {
  "read pod": () => Deno.readTextFileSync("pod"),
  "read the app's root": () => Deno.readTextFileSync("stage1/rootfs/file"),
  "read the parent": () => Deno.readTextFileSync("../outside"),
  "read another pod": () => Deno.readTextFileSync("stage1/../../outside"),
  "read /etc/passwd": () => Deno.readTextFileSync("/etc/passwd"),
  "read /proc/self/environ": () => Deno.readTextFileSync("/proc/self/environ"),
  "list /": () => [...Deno.readDirSync("/")],

  "write runtime-config": () => Deno.writeTextFileSync("runtime-config", ""),
  "write sharedVolumes": () => Deno.mkdirSync("sharedVolumes/one", { recursive: true }),
  "write rkt/env": () => Deno.mkdirSync("stage1/rootfs/rkt/env", { recursive: true }),
  "write pod": () => Deno.writeTextFileSync("pod", ""),
  "write the app's root": () => Deno.writeTextFileSync("stage1/rootfs/file", ""),
  "write the parent": () => Deno.writeTextFileSync("../outside", ""),
  "write /tmp": () => Deno.makeTempFileSync(),
  "link out of the pod": () => Deno.symlinkSync("/", "sharedVolumes/root"),

  "env RKT_LOCK_FD": () => Deno.env.get("RKT_LOCK_FD"),
  "env TERM": () => Deno.env.get("TERM"),
  "env STAGE1_VOLO_LIMITS": () => Deno.env.get("STAGE1_VOLO_LIMITS"),
  "env TMPDIR": () => Deno.env.get("TMPDIR"),
  "env HOME": () => Deno.env.get("HOME"),
  "env all": () => Deno.env.toObject(),

  "dlopen libc": openLibc,
  "dlopen libc by name": () => Deno.dlopen("libc.so.6", {}),
  "dlopen a library of the pod": () => Deno.dlopen("./libc.so.6", {}),
  "dlopen libm": () => Deno.dlopen(LIBC[0]!.replace("libc", "libm"), {}),

  "run a program": () => new Deno.Command("/bin/true").outputSync(),
  "connect": () => Deno.connect({ port: 9 }),
  "listen": () => Deno.listen({ port: 0 }),
  "fetch": () => fetch("http://127.0.0.1:9/"),
  "fetch a file": () => fetch("file:///etc/passwd"),
  "host name": () => Deno.hostname(),
  "kill": () => Deno.kill(Deno.pid, "SIGCONT"),
};

/**
 * Opens the machine's libc by the first path that exists. A path that is refused ends the search.
 */
function openLibc(): void {
  for (const path of LIBC) {
    try {
      return Deno.dlopen(path, { getpid: { parameters: [], result: "i32" } }).close();
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
    }
  }
  throw new Error("no libc");
}

async function outcome(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
    return "done";
  } catch (error) {
    return (error as Error).name;
  }
}

const outcomes: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) outcomes[name] = await outcome(attempt);
console.log(JSON.stringify(outcomes));
