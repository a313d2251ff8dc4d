/** Tests of what entrypoints tell about themselves, to whoever calls them by hand. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { helpText } from "../src/stage1/command_line.ts";
import { COMMANDS } from "../tasks/man_pages.ts";
import { assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { execute, type Result } from "./host.ts";
import { scenario, type Stage } from "./scenario.ts";

/** Calls a program in a directory that is no pod's. */
function call({ dir }: Stage, ...argv: string[]): Promise<Result> {
  return execute(["sh", "-c", 'cd "$0" && exec "$@"', dir, ...argv]);
}

for (const command of COMMANDS) {
  const { name } = command;

  scenario(
    `${name} --help tells its flags, where there is no pod`,
    { flavor: "either" },
    async (stage) => {
      await using pod = await stage.script("true");
      const program = `${pod.stage1Rootfs}/${name}`;
      const before = [...Deno.readDirSync(stage.dir)];
      for (const args of [["--help"], ["-help"], ["--debug", "--help", "--", "x"]]) {
        const result = await call(stage, program, ...args);
        assertEquals(result.stderr, "");
        assertPrints(result, `${helpText(command)}\n`);
        for (const line of result.stdout.split("\n")) assert(line.length <= 100, line);
      }
      assertEquals([...Deno.readDirSync(stage.dir)], before);
    },
  );

  scenario(`${name} --version tells the image's version`, { flavor: "either" }, async (stage) => {
    await using pod = await stage.script("true");
    const result = await call(stage, `${pod.stage1Rootfs}/${name}`, "--version");
    assertQuiet(result);
    assertEquals(result.stdout, `stage1-volo ${name} ${config.version}\n`);
  });

  scenario(`${name} --help with a wrong flag is refused by that`, async (stage) => {
    await using pod = await stage.script("true");
    const program = `${pod.stage1Rootfs}/${name}`;
    for (const args of [["--bug", "--help"], ["--help=maybe"]]) {
      assertRefused(await call(stage, program, ...args), name, /--bug|"maybe"/);
    }
  });
}

scenario(
  "a command of enter has its own --help and --version",
  { flavor: "either" },
  async (stage) => {
    await using pod = await stage.script("echo up; exec sleep 100");
    const program = await pod.start();
    await program.prints("up");
    const { stdout, code } = await pod.enter("app", ["/bin/echo", "--help", "--version"]);
    assertEquals([code, stdout], [0, "--help --version\n"]);
    assertMatch(
      (await pod.enter("app", ["/bin/sh", "-c", "echo $0", "--help"])).stdout,
      /^--help$/m,
    );
    await pod.stop({ force: true });
    await program.result;
  },
);
