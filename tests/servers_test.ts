/** Tests of servers from Debian's packages, run in pods as an operator runs them. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { existsSync } from "node:fs";
import { assertCode, assertPrints } from "./expect.ts";
import { eventually, type Host } from "./host.ts";
import { describeNetwork } from "./pod_networks.ts";
import { childrenOf } from "./procfs.ts";
import { scenario, type StageTest } from "./scenario.ts";
import {
  askBy,
  fetchInto,
  fetchPage,
  hostPort,
  isIsolated,
  makeData,
  memoryLimitOf,
  ofPostgres,
  openHost,
  serve,
  type Server,
  SERVER_NEEDS,
} from "./servers.ts";
import type { Pod, Program } from "./stage0.ts";

const MEBIBYTE = 1 << 20;

function servers(name: string, test: StageTest): void {
  scenario(name, { flavor: "either", needs: SERVER_NEEDS, patience: 180_000 }, test);
}

const NGINX: Server = {
  name: "nginx",
  exec: ["/usr/sbin/nginx", "-g", "daemon off;"],
  user: "root",
  port: 80,
  mebibytes: 64,
  stopSignal: "SIGQUIT",
  files: {
    "/etc/nginx/nginx.conf": `
      user www-data;
      worker_processes 2;
      pid /run/nginx.pid;
      error_log /dev/stderr notice;
      events {}
      http {
        access_log /dev/stdout;
        server {
          listen 80;
          root /srv;
          location /slow { limit_rate 100k; }
          location /node/ { proxy_pass http://127.0.0.1:3000; }
        }
      }`,
    "/srv/index.html": "hello from nginx\n",
    "/srv/slow": "slow ".repeat(40_000),
  },
};

const NODE: Server = {
  name: "node",
  exec: ["/usr/bin/node", "/srv/server.js"],
  user: "node",
  port: 3000,
  mebibytes: 128,
  files: {
    "/srv/server.js": `
      const server = require("http").createServer((request, response) => {
        const hoard = [];
        if (request.url === "/hoard") setInterval(() => hoard.push(Buffer.alloc(1e7, 1)), 5);
        response.end("hello from node\\n");
      });
      server.listen(3000);
      process.on("SIGTERM", () => {
        console.log("got SIGTERM");
        server.close(() => console.log("closed"));
      });`,
  },
};

/** Starts a pod, and waits until its server answers. */
async function start(pod: Pod, host: Host, answers: () => Promise<boolean>): Promise<Program> {
  const program = await pod.start({ host, flags: { net: "default" } });
  await eventually("an answer", async () => {
    if (program.ended) throw new Error(`ended: ${program.stdout}${program.stderr}`);
    return await answers();
  });
  return program;
}

/**
 * Returns a process of a server: a child of `run`, or where `run` became the server, that itself or
 * a child. Servers write over their environment, which has the app's name.
 */
function processOf({ pid }: Program, server: string): number {
  return childrenOf(pid).find(({ argv }) => argv.join(" ").includes(server))?.pid ?? pid;
}

/** Stops a pod, which has to end well, and returns all that it has written. */
async function stop(pod: Pod, program: Program, host: Host): Promise<string> {
  const stopped = await pod.stop({ host });
  assertCode(stopped, 0);
  const ended = await program.result;
  assertCode(ended, 0);
  return ended.stdout + ended.stderr;
}

/** Asserts that a pod ended because of its limit. Where `run` became the app, nobody tells. */
async function assertKilledForMemory(pod: Pod, program: Program): Promise<void> {
  const { code, stderr } = await program.result;
  assertEquals(code, 137);
  if (isIsolated(pod)) assertStringIncludes(stderr, "killed for memory");
}

/** Finds when a line was last written, in seconds: each line of several apps begins with that. */
function lastTimeOf(line: string, words: string): number {
  const found = [...words.matchAll(new RegExp(`^\\[ *([\\d.]+)\\] ${line}$`, "gm"))].at(-1);
  assert(found !== undefined, `no line ${line} in ${words}`);
  return Number(found[1]);
}

servers("nginx is reloaded, and finishes what it serves when it is stopped", async (stage) => {
  await using pod = await serve(stage, NGINX);
  await using host = await openHost();
  const before = await describeNetwork(host);
  const port = hostPort(pod, NGINX);
  const greets = async () => await fetchPage(host, port) === "hello from nginx\n";
  const program = await start(pod, host, greets);
  assertEquals(memoryLimitOf(processOf(program, "nginx")), 64 * MEBIBYTE);

  const enter = (...args: string[]) => pod.enter("nginx", ["/usr/sbin/nginx", ...args], { host });
  assertMatch((await enter("-t")).stderr, /configuration file .* test is successful/);
  assertCode(await enter("-s", "reload"), 0);
  await eventually("a reload", () => program.stderr.includes("gracefully shutting down"));
  assert(await greets());

  const file = `${stage.dir}/slow`;
  const slow = fetchInto(file, host, port, "/slow");
  await eventually("a first part", () => existsSync(file) && Deno.statSync(file).size > 0);
  const words = await stop(pod, program, host);
  assertCode(await slow, 0);
  assertEquals(await Deno.readTextFile(file), NGINX.files!["/srv/slow"]);
  assertMatch(words, /signal 3 \(SIGQUIT\) received.*, shutting down/);
  assertMatch(words, /"GET \/slow HTTP\/1.1" 200 200000/);
  assertCode(await pod.gc({ host }), 0);
  assertEquals(await describeNetwork(host), before);
});

servers(
  "redis saves when it is stopped, and has its data when it is started again",
  async (stage) => {
    const data = { source: await makeData(stage, "redis"), path: "/var/lib/redis" };
    const redis: Server = {
      name: "redis",
      exec: ["/usr/bin/redis-server", "--protected-mode", "no", "--dir", data.path],
      user: "redis",
      port: 6379,
      mebibytes: 64,
      data,
    };
    await using first = await serve(stage, redis);
    await using second = await serve(stage, redis);
    await using host = await openHost();
    const port = hostPort(first, redis);
    const ask = (...words: string[]) =>
      askBy(host, "/usr/bin/redis-cli", "-p", `${port}`, ...words);
    const answers = async () => (await ask("ping")).stdout === "PONG\n";
    let program = await start(first, host, answers);
    assertPrints(await ask("set", "key", "kept"), "OK\n");
    const local = await first.enter("redis", ["/usr/bin/redis-cli", "get", "key"], { host });
    assertPrints(local, "kept\n");
    const words = await stop(first, program, host);
    for (const word of ["User requested shutdown", "DB saved on disk", "bye bye"]) {
      assertStringIncludes(words, word);
    }

    // The first pod has not been collected. The same port leads to the second one all the same.
    program = await start(second, host, answers);
    assertPrints(await ask("get", "key"), "kept\n");
    assertStringIncludes(await stop(second, program, host), "bye bye");
    for (const pod of [first, second]) assertCode(await pod.gc({ host }), 0);
  },
);

servers("redis that takes more memory than its limit is killed", async (stage) => {
  const redis: Server = {
    name: "redis",
    exec: ["/usr/bin/redis-server", "--protected-mode", "no", "--save", ""],
    user: "redis",
    port: 6379,
    mebibytes: 32,
  };
  await using pod = await serve(stage, redis);
  await using host = await openHost();
  const ask = (...words: string[]) =>
    askBy(host, "/usr/bin/redis-cli", "-p", `${hostPort(pod, redis)}`, ...words);
  const program = await start(pod, host, async () => (await ask("ping")).stdout === "PONG\n");
  assertEquals(memoryLimitOf(processOf(program, "redis")), 32 * MEBIBYTE);
  await ask("setrange", "key", `${100 * MEBIBYTE}`, "x");
  await assertKilledForMemory(pod, program);
  assertCode(await pod.gc({ host }), 0);
});

servers("postgres closes connections when it is stopped, and keeps its data", async (stage) => {
  const data = { source: await makeData(stage, "postgres"), path: "/var/lib/postgresql/data" };
  const postgres: Server = {
    name: "postgres",
    exec: [ofPostgres("postgres"), "-D", data.path, "-c", "listen_addresses=*"],
    user: "postgres",
    port: 5432,
    mebibytes: 128,
    stopSignal: "SIGINT",
    data,
  };
  const { port: _, ...alone } = postgres;
  const init = [ofPostgres("initdb"), "-D", data.path, "--auth=trust", "--no-locale", "--no-sync"];
  await using maker = await serve(stage, { ...alone, exec: init });
  await using first = await serve(stage, postgres);
  await using second = await serve(stage, postgres);
  await using host = await openHost();
  assertStringIncludes((await maker.run({ host })).stdout, "Success.");
  const rules = `${data.source}/pg_hba.conf`;
  await Deno.writeTextFile(rules, "host all all all trust\n", { append: true });
  const port = `${hostPort(first, postgres)}`;
  const ask = (statement: string) => {
    const client = [ofPostgres("psql"), "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-Atc"];
    return askBy(host, ...client, statement);
  };
  const answers = async () => (await ask("select 1")).stdout === "1\n";
  let program = await start(first, host, answers);
  assertCode(await ask("create table kept as select generate_series(1, 1000) as number"), 0);
  // Workers that run side by side share memory below /dev/shm.
  const sum = "set force_parallel_mode = on; select sum(number) from kept";
  assertPrints(await ask(sum), "SET\n500500\n");
  const idle = ask("select pg_sleep(100)");
  const asleep = "select count(*) from pg_stat_activity where query = 'select pg_sleep(100)'";
  await eventually("a connection", async () => (await ask(asleep)).stdout === "1\n");
  const words = await stop(first, program, host);
  assertStringIncludes((await idle).stderr, "terminating connection due to administrator command");
  assertStringIncludes(words, "received fast shutdown request");
  assertStringIncludes(words, "database system is shut down");

  program = await start(second, host, answers);
  assertPrints(await ask("select sum(number) from kept"), "500500\n");
  const again = await stop(second, program, host);
  assertStringIncludes(again, "database system was shut down at");
  for (const pod of [maker, first, second]) assertCode(await pod.gc({ host }), 0);
});

servers("node is asked to end, and a node that hoards memory is killed", async (stage) => {
  await using first = await serve(stage, NODE);
  await using second = await serve(stage, NODE);
  await using host = await openHost();
  const port = hostPort(first, NODE);
  const answers = async () => await fetchPage(host, port) === "hello from node\n";
  let program = await start(first, host, answers);
  assertEquals(memoryLimitOf(processOf(program, "node")), 128 * MEBIBYTE);
  assertEquals(await stop(first, program, host), "got SIGTERM\nclosed\n");

  program = await start(second, host, answers);
  await fetchPage(host, port, "/hoard");
  await assertKilledForMemory(second, program);
  for (const pod of [first, second]) assertCode(await pod.gc({ host }), 0);
});

servers("nginx in front of node is stopped before node is", async (stage) => {
  const { port: _, ...behind } = NODE;
  await using pod = await serve(stage, behind, NGINX);
  await using host = await openHost();
  const before = await describeNetwork(host);
  const port = hostPort(pod, NGINX);
  const answers = async () => await fetchPage(host, port, "/node/") === "hello from node\n";
  const program = await start(pod, host, answers);
  assertEquals(memoryLimitOf(processOf(program, "nginx")), 64 * MEBIBYTE);
  assertEquals(memoryLimitOf(processOf(program, "node")), 128 * MEBIBYTE);
  const words = await stop(pod, program, host);
  assertMatch(words, /nginx\[\d+\]: .*GET \/node\/ HTTP\/1.1" 200/);
  const [exit, asked, closed] = ["nginx.*#\\d+: exit", "node.*got SIGTERM", "node.*closed"]
    .map((line) => lastTimeOf(line, words));
  assert(exit! < asked! && asked! <= closed!, words);
  assertCode(await pod.gc({ host }), 0);
  assertEquals(await describeNetwork(host), before);
});
