/** Tests of what every app finds in its root: `/dev`, `/proc`, `/sys`, `/tmp`. */

import { assert, assertEquals } from "@std/assert";
import { assertCode, assertPrints, assertRefused } from "./expect.ts";
import { execute } from "./host.ts";
import { readMounts } from "./procfs.ts";
import { scenario } from "./scenario.ts";

scenario("the app has usable devices", async ({ script }) => {
  const uses = [
    "echo x >/dev/null",
    "head -c 3 /dev/zero | wc -c",
    "head -c 3 /dev/urandom | wc -c",
    "test -d /dev/pts && test -c /dev/tty && echo terminals",
  ];
  await using pod = await script(uses.join(" && "));
  assertPrints(await pod.run(), "3\n3\nterminals\n");
});

scenario("the app sees the processes of the host", async ({ script }) => {
  await using pod = await script(`test -d /proc/${Deno.pid} && cat /proc/self/comm`);
  assertPrints(await pod.run(), "cat\n");
});

scenario("the app sees the host's /sys, with what is mounted in it", async ({ script }) => {
  await using pod = await script("ls /sys/fs/cgroup /sys/kernel | sort");
  const here = await execute(["sh", "-c", "ls /sys/fs/cgroup /sys/kernel | LC_ALL=C sort"]);
  assertPrints(await pod.run(), here.stdout);
});

scenario("/tmp is a fresh tmpfs for everybody", async ({ image, script }) => {
  const files = { "/tmp/of-the-image": "hidden" };
  const app = { user: "volo", group: "volo" };
  const text = "stat -c '%a %u' /tmp; stat -f -c %T /tmp; ls -A /tmp; echo x >/tmp/mine";
  await using pod = await script(text, { image: await image({ files }), app });
  assertPrints(await pod.run(), "1777 0\ntmpfs\n");
});

scenario("what the app leaves in /tmp goes with it", async ({ script }) => {
  await using pod = await script("echo x >/tmp/mine");
  assertCode(await pod.run(), 0);
  assertEquals([...Deno.readDirSync(`${pod.appRootfs()}/tmp`)], []);
});

scenario("directories that the image lacks are made", async ({ image, script }) => {
  const files = { "/dev": null, "/proc": null, "/sys": null, "/tmp": null };
  await using pod = await script("ls -d /dev/null /proc/self/ /sys/kernel /tmp", {
    image: await image({ files }),
  });
  assertPrints(await pod.run(), "/dev/null\n/proc/self/\n/sys/kernel\n/tmp\n");
});

/**
 * Targets of a link that replaces `/dev`, `/proc` or `/sys`. The last one's meaning changes when
 * /tmp is mounted.
 */
const LINKS = ["/srv/real", "srv/real", "../../../srv/real", "/missing", "/tmp/x/../../srv/real"];

scenario(
  "a link in the place of /dev, /proc or /sys is refused",
  { flavor: "either" },
  async (stage) => {
    for (const path of ["/dev", "/proc", "/sys"]) {
      for (const link of path === "/proc" ? LINKS : LINKS.slice(-1)) {
        const files = {
          [path]: { link },
          "/tmp/x": { dir: true },
          "/srv/real": { dir: true },
        } as const;
        await using pod = await stage.script("echo started", {
          image: await stage.image({ files }),
        });
        const result = await pod.run();
        assertRefused(result, "run", new RegExp(`^run: ${path}: is a symbolic link in the app`));
        assertEquals(result.stdout, "");
        assertEquals(pod.foreignMounts(), []);
      }
    }
  },
);

scenario("run refuses a file where it needs a directory", async ({ image, script }) => {
  const files = { "/proc": "a file" };
  await using pod = await script("true", { image: await image({ files }) });
  assertRefused(await pod.run(), "run", /\/proc/);
  assertEquals(pod.foreignMounts(), []);
});

scenario("the app cannot see mounts of the host's", async ({ script }) => {
  await using pod = await script("cat /proc/self/mountinfo; echo; ls /");
  const [mountinfo, root] = (await pod.run()).stdout.split("\n\n");
  const points = mountinfo!.split("\n").map((line) => line.split(" ")[4]!);
  const allowed = /^\/$|^\/(dev|proc|sys|tmp)(\/|$)/;
  assertEquals(points.filter((point) => !allowed.test(point)), []);
  assert(!root!.includes("stage1"), root);
});

scenario("a link in the place of /tmp is followed inside", async ({ image, script }) => {
  const files = { "/tmp": { link: "../../../var/temporary" } };
  const text = "stat -c %a /var/temporary; stat -f -c %T /tmp/";
  await using pod = await script(text, { image: await image({ files }) });
  assertPrints(await pod.run(), "1777\ntmpfs\n");
});

scenario("all mounts of a pod belong to its own namespace", async ({ script }) => {
  await using pod = await script("echo up; sleep 100");
  const program = await pod.start();
  await program.prints("up");
  assertEquals(pod.foreignMounts(), []);
  const inside = readMounts(program.pid).map(({ path }) => path);
  assert(inside.includes("/tmp"), inside.join("\n"));
});
