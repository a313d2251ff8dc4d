import { assertEquals, assertThrows } from "@std/assert";
import { describeError } from "../stage1/entrypoint.ts";
import {
  type CallContext,
  callPlugin,
  pluginEnvironment,
  type ProgramEnd,
  type ProgramRun,
} from "./plugin.ts";

const CALL = { type: "ptp", path: "/cni/ptp", cniVersion: "0.4.0", configuration: "{}" };

function context(change: Partial<CallContext> = {}): CallContext {
  return {
    uuid: "6733c088",
    netns: "/var/run/netns/cni-6733c088",
    searchPath: "/a:/b",
    ifName: "eth0",
    args: "",
    environment: [],
    run: () => ({ status: 0, stdout: "" }),
    ...change,
  };
}

function variables(change: Partial<CallContext>): Record<string, string> {
  return Object.fromEntries(
    pluginEnvironment("ADD", context(change)).map((variable) => {
      const [name = "", ...value] = variable.split("=");
      return [name, value.join("=")];
    }),
  );
}

Deno.test("a plugin gets what CNI says, in its environment and as its input", () => {
  const runs: ProgramRun[] = [];
  const run = (program: ProgramRun) => {
    runs.push(program);
    return { status: 0, stdout: "the result" };
  };
  assertEquals(callPlugin("DEL", CALL, { ips: [] }, context({ run })), "the result");
  const [program] = runs;
  assertEquals([program?.path, program?.argv], ["/cni/ptp", ["/cni/ptp"]]);
  assertEquals(program?.stdin, '{"prevResult":{"ips":[]}}');
  assertEquals(program?.environment.filter((variable) => variable.startsWith("CNI_")), [
    "CNI_VERSION=0.1.0",
    "CNI_COMMAND=DEL",
    "CNI_CONTAINERID=6733c088",
    "CNI_NETNS=/var/run/netns/cni-6733c088",
    "CNI_ARGS=",
    "CNI_IFNAME=eth0",
    "CNI_PATH=/a:/b",
  ]);
});

Deno.test("plugins inherit variables, but none of CNI's, and find the system's programs", () => {
  const { HTTP_PROXY, CNI_COMMAND, PATH } = variables({
    environment: ["HTTP_PROXY=http://proxy", "CNI_COMMAND=DEL", "PATH=/opt/bin:/usr/bin"],
  });
  assertEquals([HTTP_PROXY, CNI_COMMAND], ["http://proxy", "ADD"]);
  assertEquals(PATH, "/opt/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/bin");
});

Deno.test("plugins may ignore arguments of others, unless the user has a say in it", () => {
  assertEquals(variables({ args: "IP=10.0.0.1" }).CNI_ARGS, "IP=10.0.0.1;IgnoreUnknown=1");
  assertEquals(variables({ args: "A=1;IgnoreUnknown=0" }).CNI_ARGS, "A=1;IgnoreUnknown=0");
});

const FAILURES: [end: ProgramEnd, error: string][] = [
  [{ status: 1, stdout: '{"code": 7, "msg": "no such master"}' }, "ptp: no such master"],
  [
    { status: 1, stdout: '{"cniVersion":"0.4.0","msg":"no link","details":"eth7"}' },
    "ptp: no link; eth7",
  ],
  [{ status: 1, stdout: "", stderr: "panic:\n  oh" }, "ptp: ended with status 1: panic: oh"],
  [{ status: 137, stdout: "" }, "ptp: ended with status 137"],
  [{ status: 2, stdout: '{"code": 1}' }, 'ptp: ended with status 2: {"code": 1}'],
  [{ status: 1, stdout: '{"msg": "a\\nb\\u001b[2J"}' }, "ptp: a\\x0ab\\x1b[2J"],
  [
    { status: 1, stdout: '{"msg": "failed to find plugin \\"host-local\\" in path [/a]"}' },
    'ptp: failed to find plugin "host-local" in path [/a] ' +
    "(install the CNI plugins, on Debian containernetworking-plugins)",
  ],
  [
    {
      status: 1,
      stdout: JSON.stringify({ msg: 'exec: "iptables": executable file not found in $PATH' }),
    },
    'ptp: exec: "iptables": executable file not found in $PATH (install iptables)',
  ],
];

for (const [end, expected] of FAILURES) {
  Deno.test(`a plugin that fails is quoted: ${JSON.stringify(expected)}`, () => {
    const error = assertThrows(() =>
      callPlugin("ADD", CALL, undefined, context({ run: () => end }))
    );
    assertEquals(describeError(error), expected);
  });
}

Deno.test("a plugin that cannot be started is named", () => {
  const run = () => {
    throw new Error("posix_spawn: EACCES");
  };
  const error = assertThrows(() => callPlugin("ADD", CALL, undefined, context({ run })));
  assertEquals(describeError(error), "ptp: posix_spawn: EACCES");
});
