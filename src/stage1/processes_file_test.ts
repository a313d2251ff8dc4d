import "../linux/libc_testing.ts";
import { assertEquals } from "@std/assert";
import { inTempDir } from "../linux/file_testing.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { ProcessesRecord, type RecordedProcess } from "./processes_file.ts";

/** A process with the longest numbers that there are. */
function longest(app: string): RecordedProcess {
  const number = "18446744073709551615";
  const pid = 2 ** 22;
  return { app, pid, start: number, mounts: `${number} ${number}`, mountsNumber: number };
}

Deno.test("a record of processes is there from the first, and never grows", () => {
  inTempDir((directory) => {
    using pod = openFile(directory, O_PATH | O_DIRECTORY);
    const record = new ProcessesRecord(pod, ["web", "database"]);
    const files = ["processes", ".processes.new"].map((name) => `${directory}/${name}`);
    const describe = () =>
      files.map((path) => Deno.statSync(path)).map(({ ino, size }) => [ino, size]);
    const read = () => JSON.parse(Deno.readTextFileSync(files[0]!)).processes;
    const before = describe();
    assertEquals(read(), []);
    const processes = ["web", "database"].map(longest);
    record.save(processes);
    assertEquals(read(), processes);
    assertEquals(describe(), before.toReversed());
    record.save([{ ...processes[0]!, pid: 7 }]);
    assertEquals(read().map(({ pid }: RecordedProcess) => pid), [7]);
    assertEquals(describe(), before);
  });
});

Deno.test("apps that come take their space in the record at once, and give it back", () => {
  inTempDir((directory) => {
    using pod = openFile(directory, O_PATH | O_DIRECTORY);
    const record = new ProcessesRecord(pod, []);
    const size = () => Deno.statSync(`${directory}/processes`).size;
    const read = () => JSON.parse(Deno.readTextFileSync(`${directory}/processes`)).processes;
    const empty = size();
    record.setApps(["web"], []);
    const one = size();
    record.save([longest("web")]);
    assertEquals(size(), one);
    record.setApps(["web", "database"], [longest("web")]);
    assertEquals(read(), [longest("web")]);
    record.save(["web", "database"].map(longest));
    record.setApps([], []);
    assertEquals([size(), read()], [empty, []]);
  });
});
