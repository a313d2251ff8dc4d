import "../linux/libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../linux/errno.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { inPodDirectory } from "../stage1/pod_directory_testing.ts";
import { tryLabels, withLabelContext } from "./labels.ts";

const STEP = {
  path: "thread-self/no-such-file",
  text: "exec web",
  label: "web",
  isolator: "app (os/linux/apparmor-profile)",
};

function request(path: string): void {
  using proc = openFile("/proc", O_PATH | O_DIRECTORY);
  inPodDirectory(() => tryLabels({ labels: [{ ...STEP, path }], notes: [] }, proc));
}

Deno.test("a label that the kernel does not know is named, and that the host lacks it", () => {
  const error = assertThrows(() => request("thread-self/no-such-file"), Error);
  assertEquals(
    describeError(error),
    "app (os/linux/apparmor-profile): web is not available: this host does not know it",
  );
});

Deno.test("another error of the kernel's is said as it is", () => {
  const error = assertThrows(() => request("thread-self"), Error);
  assertEquals(
    describeError(error),
    'app (os/linux/apparmor-profile): openat("thread-self"): EISDIR, is a directory',
  );
});

Deno.test("a label that another process asked for in vain is named as well", () => {
  const fail = (error: Error) => () =>
    withLabelContext({ labels: [STEP], notes: [] }, () => {
      throw new Error("apps[0].app.exec[0]", { cause: error });
    });
  const unknown = assertThrows(fail(new SyscallError("write", [0, STEP.text], 2)), Error);
  assertEquals(
    describeError(unknown),
    "app (os/linux/apparmor-profile): web is not available: this host does not know it",
  );
  const other = assertThrows(fail(new SyscallError("execve", ["/bin/web"], 2)), Error);
  assertEquals(other.message, "apps[0].app.exec[0]");
});
