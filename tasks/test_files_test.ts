import { assertEquals } from "@std/assert";
import {
  ALONE,
  FOREIGN_MACHINES,
  listSystemTests,
  LONGEST,
  MACHINES,
  planFiles,
} from "./test_files.ts";

Deno.test("each file of system tests is run exactly once", async () => {
  const files = await listSystemTests();
  const { sideBySide, machines, foreign, alone } = planFiles(files);
  assertEquals([...sideBySide, ...machines, ...foreign, ...alone].sort(), files);
});

Deno.test("files that are to run at a time of their own are there, and named once", async () => {
  const named = [...LONGEST, ...MACHINES, ...FOREIGN_MACHINES, ...ALONE];
  const files = await listSystemTests();
  assertEquals(named.filter((name) => !files.includes(name)), []);
  assertEquals(new Set(named).size, named.length);
});
