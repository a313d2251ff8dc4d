/** Tests of what each entrypoint could do if untrusted input took control of it. */

import { assertEquals } from "@std/assert";
import { PROGRAMS } from "../image/entrypoints.ts";
import { must } from "./host.ts";
import { scenario } from "./scenario.ts";

/** The program that compiles the probe with the permissions of each entrypoint. */
const COMPILER = `${import.meta.dirname}/compile_probes.ts`;

/** The attempts that succeed with each entrypoint's permissions. */
const ALLOWED: Record<typeof PROGRAMS[number], string[]> = {
  run: [
    "read pod",
    "read the app's root",
    "env RKT_LOCK_FD",
    "env STAGE1_VOLO_LIMITS",
    "dlopen libc",
  ],
  enter: [
    "read pod",
    "read the app's root",
    "env STAGE1_VOLO_LIMITS",
    "dlopen libc",
  ],
  gc: ["read pod", "read the app's root", "env STAGE1_VOLO_LIMITS", "dlopen libc"],
  stop: ["read pod", "read the app's root", "dlopen libc"],
  "app-add": ["read pod", "read the app's root", "dlopen libc"],
  "app-rm": ["read pod", "read the app's root", "dlopen libc"],
  "app-start": ["read pod", "read the app's root", "env STAGE1_VOLO_LIMITS", "dlopen libc"],
  "app-stop": ["dlopen libc"],
  "attach": ["dlopen libc"],
};

/** Makes what the probe looks at of a pod directory, beside a file that it must not touch. */
async function makePodDir(dir: string): Promise<string> {
  const pod = `${dir}/pod`;
  await Deno.mkdir(`${pod}/stage1/rootfs`, { recursive: true });
  await Deno.writeTextFile(`${pod}/pod`, "{}");
  await Deno.writeTextFile(`${pod}/stage1/rootfs/file`, "");
  await Deno.writeTextFile(`${dir}/outside`, "untouched");
  return pod;
}

async function probe(program: string, cwd: string): Promise<Record<string, string>> {
  const env = { HOME: "/root", RKT_LOCK_FD: "9", TERM: "dumb" };
  const { stdout } = await new Deno.Command(program, { cwd, env, clearEnv: true }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

scenario("each entrypoint can do what its table says, and nothing else", async ({ dir }) => {
  await must([Deno.execPath(), "run", "--allow-all", COMPILER, dir]);
  for (const name of PROGRAMS) {
    await Deno.mkdir(`${dir}/${name}`);
    const outcomes = await probe(`${dir}/bin/${name}`, await makePodDir(`${dir}/${name}`));
    const expected = Object.keys(outcomes).map((attempt) => [
      attempt,
      ALLOWED[name].includes(attempt) ? "done" : "NotCapable",
    ]);
    assertEquals(outcomes, Object.fromEntries(expected), name);
    assertEquals(await Deno.readTextFile(`${dir}/${name}/outside`), "untouched");
  }
});
