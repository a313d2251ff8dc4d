import { assertEquals } from "@std/assert";
import { ALONE, listSystemTests, LONGEST, MACHINES, planFiles } from "./test_files.ts";

Deno.test("each file of system tests is run exactly once", async () => {
  const files = await listSystemTests();
  const { sideBySide, machines, alone } = planFiles(files);
  assertEquals([...sideBySide, ...machines, ...alone].sort(), files);
});

Deno.test("files that are to run at a time of their own are there, and named once", async () => {
  const named = [...LONGEST, ...MACHINES, ...ALONE];
  const files = await listSystemTests();
  assertEquals(named.filter((name) => !files.includes(name)), []);
  assertEquals(new Set(named).size, named.length);
});
