/** Tests of event handlers in isolated pods of several apps. */

import { assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { eventually } from "./host.ts";
import { scenario } from "./scenario.ts";

scenario(
  "apps whose handlers end at the same time are all looked after",
  { flavor: "isolated" },
  async (stage) => {
    const image = await stage.image({});
    const apps = ["one", "two", "three"].map((name) => ({
      image,
      name,
      app: {
        exec: ["/bin/sh", "-c", "echo up; exec sleep 100"],
        eventHandlers: ["pre-start", "post-stop"].map((name) => ({
          name,
          exec: ["/bin/sh", "-c", "sleep 0.05"],
        })),
      },
    }));
    await using pod = await stage.stage0.prepare({ apps });
    const program = await pod.start();
    await eventually("all apps", () => program.stdout.match(/up/g)?.length === 3);
    assertQuiet(await pod.stop());
    await eventually("the end of the pod", () => program.ended);
  },
);

scenario(
  "handlers are root's, with the capabilities and the filter of their app",
  { flavor: "isolated" },
  async ({ script }) => {
    const show = "id -u; grep -E '^(CapBnd|Seccomp):' /proc/self/status";
    const handler = (name: string) => ({ name, exec: ["/bin/sh", "-c", show] });
    await using pod = await script(show, {
      app: {
        user: "volo",
        group: "volo",
        eventHandlers: [handler("pre-start"), handler("post-stop")],
        isolators: [{ name: "os/linux/capabilities-retain-set", value: { set: ["CAP_CHOWN"] } }],
      },
    });
    const bounds = "CapBnd:\t0000000000000001\nSeccomp:\t2\n";
    assertPrints(await pod.run(), `0\n${bounds}1000\n${bounds}0\n${bounds}`);
  },
);

scenario(
  "an app that cannot be started ends those that run",
  { flavor: "isolated" },
  async ({ stage0, image }) => {
    const apps = await Promise.all(["sleep", "nowhere"].map(async (program) => ({
      image: await image({}),
      name: program,
      app: { exec: [program, "100"] },
    })));
    await using pod = await stage0.prepare({ apps });
    const program = await pod.launch();
    await eventually("the end of the pod", () => program.ended);
    assertRefused(await program.result, "run", /nowhere/);
  },
);
