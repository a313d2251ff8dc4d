import "../linux/libc_testing.ts";
import { assert, assertEquals } from "@std/assert";
import { inPodDirectory } from "../stage1/pod_directory_testing.ts";
import { runHelper } from "./helper_program.ts";

function runShell(text: string, stdin = "") {
  const environment = ["PATH=/usr/bin:/bin"];
  return runHelper({ path: "/bin/sh", argv: ["sh", "-c", text], environment, stdin });
}

Deno.test("a helper reads what it is told, and its answer and status are known", () => {
  inPodDirectory(() => {
    assertEquals(runShell("cat; exit 3", "words"), { status: 3, stdout: "words" });
  });
});

Deno.test("who follows a helper that was killed waits for what that one has started", () => {
  inPodDirectory(() => {
    assertEquals(runShell("(sleep 0.3; echo done >file) & kill -KILL $$").status, 137);
    assertEquals(runShell("cat file").stdout, "done\n");
  });
});

Deno.test("what a helper leaves running on purpose is not waited for", () => {
  inPodDirectory(() => {
    const { stdout } = runShell("sleep 100 >/dev/null & echo $!");
    try {
      const start = performance.now();
      runShell("true");
      assert(performance.now() - start < 10_000);
    } finally {
      Deno.kill(Number(stdout), "SIGKILL");
    }
  });
});
