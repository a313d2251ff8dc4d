/** Tests of the user and groups that an app runs as. */

import { assertEquals } from "@std/assert";
import { assertCode, assertRefused } from "./expect.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** The real, effective, saved and file system IDs of a process, and its supplementary groups. */
interface Credentials {
  uid: number[];
  gid: number[];
  groups: number[];
}

const PRINT = ["/bin/grep", "-E", "^(Uid|Gid|Groups):", "/proc/self/status"];

function parseCredentials(status: string): Credentials {
  const numbers = (name: string) =>
    status.match(new RegExp(`^${name}:(.*)$`, "m"))![1]!.split(/\s/).filter(Boolean).map(Number);
  return { uid: numbers("Uid"), gid: numbers("Gid"), groups: numbers("Groups") };
}

async function credentials(pod: Pod): Promise<Credentials> {
  const result = await pod.run();
  assertCode(result, 0);
  return parseCredentials(result.stdout);
}

function all(uid: number, gid: number, groups = [gid]): Credentials {
  return { uid: [uid, uid, uid, uid], gid: [gid, gid, gid, gid], groups };
}

const forms: [what: string, user: string, group: string, expected: Credentials][] = [
  ["numbers", "12", "34", all(12, 34)],
  ["numbers that no file knows", "4000000000", "4000000000", all(4000000000, 4000000000)],
  ["names of the app's own files", "volo", "video", all(1000, 44)],
  ["a name and a number", "daemon", "0", all(1, 0)],
  ["the owner of a path", "/home/volo", "/home/volo", all(1000, 1000)],
  ["the owner of a path behind a link", "/owner", "/owner", all(1000, 1000)],
];

scenario(
  "a user and a group whose names are numbers go before the numbers",
  { flavor: "either" },
  async ({ image, pod: prepare }) => {
    const files = {
      "/etc/passwd": "root:x:0:0::/:\n1000:x:55:55::/:\n",
      "/etc/group": "1000:x:56:\n",
    };
    const app = { exec: PRINT, user: "1000", group: "1000" };
    await using pod = await prepare({ image: await image({ files }), app });
    assertEquals(await credentials(pod), all(55, 56));
  },
);

for (const [what, user, group, expected] of forms) {
  scenario(`user and group may be ${what}`, async ({ image, pod: prepare }) => {
    const files = { "/owner": { link: "/home/volo" } };
    const app = { exec: PRINT, user, group };
    await using pod = await prepare({ image: await image({ files }), app });
    assertEquals(await credentials(pod), expected);
  });
}

scenario("a link to an owner cannot leave the app's root", async ({ dir, image, pod: prepare }) => {
  await Deno.writeTextFile(`${dir}/outside`, "");
  await Deno.chown(`${dir}/outside`, 4242, 4242);
  const files = { "/owner": { link: `../../../../../../../../../..${dir}/outside` } };
  const app = { exec: PRINT, user: "/owner", group: "0" };
  await using pod = await prepare({ image: await image({ files }), app });
  assertRefused(await pod.run(), "run", /user/);
});

scenario("supplementary groups are the primary one and those listed", async ({ pod: prepare }) => {
  const app = { exec: PRINT, user: "volo", group: "volo", supplementaryGIDs: [29, 44, 4242] };
  await using pod = await prepare({ app });
  assertEquals(await credentials(pod), all(1000, 1000, [29, 44, 1000, 4242]));
});

scenario("the caller's groups do not reach the app", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: PRINT, user: "0", group: "0" } });
  assertEquals(await credentials(pod), all(0, 0));
});

scenario("an app that is not root has no capabilities in effect", async ({ pod: prepare }) => {
  const exec = ["/bin/grep", "-E", "^Cap(Prm|Eff|Amb):", "/proc/self/status"];
  await using pod = await prepare({ app: { exec, user: "volo", group: "volo" } });
  const sets = (await pod.run()).stdout.trim().split("\n").map((line) => line.split("\t")[1]);
  assertEquals(sets, ["0000000000000000", "0000000000000000", "0000000000000000"]);
});

const unknown: [field: string, app: Record<string, string>][] = [
  ["user", { user: "stranger" }],
  ["group", { group: "strangers" }],
  ["user", { user: "/no/such/file" }],
  ["group", { group: "/no/such/file" }],
  ["user", { user: "4294967296" }],
  ["user", { user: "-1" }],
];

for (const [field, app] of unknown) {
  scenario(`run refuses an unknown ${field}: ${app[field]}`, async ({ pod: prepare }) => {
    await using pod = await prepare({ app });
    assertRefused(await pod.run(), "run", new RegExp(field));
    assertEquals(pod.foreignMounts(), []);
  });
}
