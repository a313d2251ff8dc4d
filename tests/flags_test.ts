/** Tests of the arguments of `run`. */

import { assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { SCRIPT, TERMINAL } from "./host.ts";
import { scenario } from "./scenario.ts";

/** Spellings of Go's flag package, which rkt's callers may use. */
const silent: string[][] = [
  ["-net=default"],
  ["--net", "default"],
  ["--net=host"],
  ["--debug=false"],
  ["-debug=0"],
  ["--interactive"],
  ["-interactive=true"],
  ["--interactive=F"],
  ["--mds-token=abc"],
  ["--mds-token", "abc"],
  ["--local-config=/etc/rkt"],
  ["-local-config", "/no/such/directory"],
  ["--hostname="],
  ["--disable-capabilities-restriction"],
  ["--disable-paths=true"],
  ["-disable-seccomp=T"],
  ["--dns-conf-mode=resolv=none,hosts=default"],
  ["--mutable=false"],
  ["--net=default", "--"],
];

for (const flags of silent) {
  scenario(`run accepts ${flags.join(" ")} in silence`, async ({ script }) => {
    await using pod = await script("echo started");
    const result = await pod.run({ args: [...flags, pod.uuid] });
    assertQuiet(result);
    assertEquals(result.stdout, "started\n");
  });
}

for (const flag of ["-debug", "--debug", "--debug=true", "--debug=1"]) {
  scenario(`run tells its plan with ${flag}`, async ({ script }) => {
    await using pod = await script("echo started");
    const result = await pod.run({ args: [flag, pod.uuid] });
    assertPrints(result, "started\n");
    assertEquals(result.stderr.includes("/proc"), true, result.stderr);
  });
}

scenario("an error with --debug names functions, and has no colours", {
  flavor: "either",
  needs: [SCRIPT],
}, async ({ script }) => {
  await using pod = await script("true", { app: { user: "nobody-there" } });
  const { code, stdout } = await pod.run({
    args: ["--debug", "--net=none", pod.uuid],
    host: TERMINAL,
  });
  assertEquals(code, 254);
  const [line, stack] = stdout.trim().split("\r\n").slice(-2);
  assertMatch(line!, /^run: .*nobody-there/);
  assertMatch(stack!, /^run: at [^ ]*, .*resolveUser, .*runPod, .*entrypoint$/);
  assertEquals(stdout.includes("\x1b"), false, stdout);
});

/** Flags without effect for an app in the host's namespaces, and how the report names each. */
const reported: [flag: string, name: string][] = [
  ["--hostname=db1", "--hostname"],
  ["--private-users=65536:65536", "--private-users"],
  ["--net=none", "--net"],
  ["--net=lan:IP=10.1.2.3;MTU=1400,other", "--net"],
  ["--mutable", "--mutable"],
  ["--ipc=private", "--ipc"],
];

for (const [flag, name] of reported) {
  scenario(`run says once that it ignores ${flag}`, async ({ script }) => {
    await using pod = await script("echo started");
    const result = await pod.run({ args: [flag, pod.uuid] });
    assertPrints(result, "started\n");
    const lines = result.stderr.trim().split("\n").filter((line) => line.includes(name));
    assertEquals(lines.length, 1, result.stderr);
  });
}

const refused: [what: string, args: (uuid: string) => string[], matter: RegExp][] = [
  ["without a UUID", () => ["--net=default"], /UUID/i],
  ["with a malformed UUID", () => ["--net=default", "not-a-uuid"], /not-a-uuid/],
  ["with two UUIDs", (uuid) => [uuid, uuid], /argument/i],
  ["with an unknown flag", (uuid) => ["--colour=red", uuid], /colour/],
  ["with a flag that lacks its value", () => ["--net"], /net/],
  ["with a boolean that is neither", (uuid) => ["--debug=maybe", uuid], /debug/],
  ["with an unknown DNS mode", (uuid) => ["--dns-conf-mode=resolv=magic", uuid], /dns-conf-mode/],
  ["with an unknown DNS file", (uuid) => ["--dns-conf-mode=ttys=host", uuid], /dns-conf-mode/],
];

for (const [what, args, matter] of refused) {
  scenario(`run refuses to start ${what}`, async ({ script }) => {
    await using pod = await script("echo started");
    const result = await pod.run({ args: args(pod.uuid) });
    assertRefused(result, "run", matter);
    assertEquals(result.stdout, "");
  });
}

scenario("a flag after the UUID is no flag", async ({ script }) => {
  await using pod = await script("echo started");
  assertCode(await pod.run({ args: [pod.uuid, "--debug"] }), 254);
});
