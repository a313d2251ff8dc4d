import { assertEquals, assertThrows } from "@std/assert";
import {
  parseAppAddArguments,
  parseAppArguments,
  parseAttachArguments,
  parseEnterArguments,
  parseGcArguments,
  parsePid,
  parseRunArguments,
  parseStopArguments,
} from "./arguments.ts";

const UUID = "6733c088-a507-4694-aabf-edbe4fc5266f";

Deno.test("run takes every flag that rkt writes", () => {
  const args = parseRunArguments([
    "--debug",
    "--net=default,extra:IP=10.0.0.1",
    "--interactive",
    "--private-users=1000:65536",
    "--mds-token=abc",
    "--local-config=/usr/local/etc/rkt",
    "--hostname=web",
    "--dns-conf-mode=resolv=stage0,hosts=host",
    "--disable-capabilities-restriction",
    "--disable-paths",
    "--disable-seccomp",
    "--mutable",
    "--ipc=parent",
    UUID,
  ]);
  assertEquals(args, {
    uuid: UUID,
    debug: true,
    net: "default,extra:IP=10.0.0.1",
    interactive: true,
    mdsToken: "abc",
    localConfig: "/usr/local/etc/rkt",
    privateUsers: "1000:65536",
    hostname: "web",
    disableCapabilities: true,
    disablePaths: true,
    disableSeccomp: true,
    dns: { resolv: "stage0", hosts: "host" },
    mutable: true,
    ipc: "parent",
  });
});

Deno.test("run needs no flag at all", () => {
  const { net, dns, ipc } = parseRunArguments([UUID]);
  assertEquals({ net, dns, ipc }, {
    net: "default",
    dns: { resolv: "default", hosts: "default" },
    ipc: "auto",
  });
});

Deno.test("DNS modes that there are not are refused by name", () => {
  const parse = (mode: string) => parseRunArguments([`--dns-conf-mode=${mode}`, UUID]);
  assertThrows(() => parse("hosts=none"), Error, '--dns-conf-mode: hosts: "none"');
  assertThrows(() => parse("resolv=mine"), Error, '--dns-conf-mode: resolv: "mine"');
  assertThrows(() => parse("nsswitch=host"), Error, "nsswitch");
});

Deno.test("a UUID is required, once, and must be one", () => {
  for (const parse of [parseRunArguments, parseGcArguments, parseStopArguments]) {
    assertThrows(() => parse([]), Error, "the UUID of a pod is missing");
    assertThrows(() => parse(["not-a-uuid"]), Error, '"not-a-uuid"');
    assertThrows(() => parse([UUID, "more"]), Error, '"more"');
    assertEquals(parse([UUID.toUpperCase().replaceAll("-", "")]).uuid, UUID);
  }
});

Deno.test("enter passes the command on untouched", () => {
  const args = parseEnterArguments(["--pid=12", "--appname=web", "--", "ls", "-l", "--", ""]);
  assertEquals(args, { debug: false, pid: 12, appName: "web", command: ["ls", "-l", "--", ""] });
});

Deno.test("enter says what it misses", () => {
  assertThrows(() => parseEnterArguments(["--pid=1", "--", "ls"]), Error, "--appname");
  assertThrows(() => parseEnterArguments(["--appname=a", "--", "ls"]), Error, "pid");
  assertThrows(() => parseEnterArguments(["--pid=1", "--appname=a", "--"]), Error, "no command");
});

Deno.test("gc and stop take what rkt passes to them", () => {
  assertEquals(parseGcArguments(["--debug", "--local-config", "/etc/rkt", UUID]), {
    uuid: UUID,
    debug: true,
    onlyNetworks: false,
  });
  assertEquals(parseGcArguments(["--only-networks", UUID]).onlyNetworks, true);
  assertEquals(parseStopArguments(["--force", UUID]), { uuid: UUID, debug: false, force: true });
});

Deno.test("parsePid() takes what can be a process, and nothing else", () => {
  assertEquals(parsePid("4194304", "pid"), 4194304);
  for (const text of ["", "0", "-1", "1x", "0x1", "99999999999", "4294967295"]) {
    assertThrows(() => parsePid(text, "pid"), Error, "is not a process id");
  }
});

Deno.test("app-add takes the pod's UUID, the app's name, and what it is to be free of", () => {
  const app = ["--app=web", `--uuid=${UUID}`];
  const usual = { disableCapabilities: false, disablePaths: false, disableSeccomp: false };
  assertEquals(parseAppAddArguments(["--debug=false", ...app]), {
    ...{ app: "web", uuid: UUID, debug: false },
    ...usual,
  });
  const free = ["--disable-capabilities-restriction", "--disable-paths", "--disable-seccomp"];
  assertEquals(parseAppAddArguments(["--debug", "--private-users=0:10", ...free, ...app]), {
    ...{ app: "web", uuid: UUID, debug: true },
    ...{ disableCapabilities: true, disablePaths: true, disableSeccomp: true },
  });
  assertThrows(() => parseAppAddArguments(["--app=web"]), Error, "--uuid");
  assertThrows(() => parseAppAddArguments(["--app=web", "--uuid=1"]), Error, "1");
});

Deno.test("app-start, app-stop and app-rm take an app's name, which leads nowhere else", () => {
  const parse = parseAppArguments;
  assertEquals(parse(["--debug=true", "--app=web-1"]), { debug: true, app: "web-1" });
  assertThrows(() => parse([]), Error, "--app, the app's name in the pod, is missing");
  assertThrows(() => parse(["--app="]), Error, "--app, the app's name in the pod, is missing");
  assertThrows(() => parse(["--app=web", UUID]), Error, "one argument too many");
  for (const app of ["../web", "a/b", ".", "Web", "web\n", "-web"]) {
    assertThrows(() => parse([`--app=${app}`]), Error, ": must be lower-case letters");
  }
});

Deno.test("attach takes what rkt makes of --mode", () => {
  const list = ["--action=list", "--app=web", "--debug=false"];
  assertEquals(parseAttachArguments(list), {
    ...{ action: "list", app: "web", debug: false },
    endpoints: [],
  });
  const flags = (...of: string[]) =>
    ["tty-in", "tty-out", "stdin", "stdout", "stderr"].map((it) => `--${it}=${of.includes(it)}`);
  const custom = (...of: string[]) =>
    parseAttachArguments(["--action=custom-attach", ...flags(...of), "--app=web"]).endpoints;
  assertEquals(custom("stderr", "stdin"), ["stdin", "stderr"]);
  assertEquals(custom("tty-in", "tty-out"), ["tty-in", "tty-out"]);
  assertThrows(() => custom(), Error, "--action=custom-attach: no endpoint is named");
  assertThrows(() => custom("stdin", "tty-in"), Error, "--stdin, --tty-in: a terminal and streams");
  const auto = ["--action=auto-attach", ...flags(), "--app=web"];
  assertEquals(parseAttachArguments(auto).endpoints, []);
  for (const action of [[], ["--action=sing"]]) {
    assertThrows(() => parseAttachArguments([...action, "--app=web"]), Error, "--action: ");
  }
});
