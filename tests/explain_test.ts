/** What `explain` says of a pod is what the kernel then reports, field by field. */

import { assert, assertEquals } from "@std/assert";
import { FIELD_RULES, type FieldName } from "../src/plan/fields.ts";
import { explain, explainInWords, type ExplainOptions, runExplain } from "./explain/explanation.ts";
import {
  endPod,
  type Subject,
  type SubjectName,
  SUBJECTS,
  subjectScenario,
} from "./explain/pods.ts";
import { type Check, OTHERS, type Refused, ROWS } from "./explain/rows.ts";
import { type Seen, seePod } from "./explain/seen.ts";
import { eventually } from "./host.ts";
import { scenario } from "./scenario.ts";
import type { Program, RunOptions } from "./stage0.ts";

const FIELDS = Object.keys(FIELD_RULES) as FieldName[];

function titleOf(row: string): string {
  return `explain and the kernel agree on "${row}"`;
}

/** What is to be compared of a pod, by the names of the steps. */
function checksOf(subject: SubjectName, when: "running" | "ended"): [string, Check][] {
  const ofRows = FIELDS.map((field): [string, Check | undefined] => {
    const row = ROWS[field];
    if ("seen" in row) return [titleOf(field), row.seen[subject]?.[when]];
    if (!("told" in row) || when === "ended") return [titleOf(field), undefined];
    const line = row.told[subject];
    return [titleOf(field), line && ((seen) => assertTold(seen, line))];
  });
  const others = when === "running" ? Object.entries(OTHERS[subject] ?? {}) : [];
  const all = [
    ...ofRows,
    ...others.map(([name, check]): [string, Check] => [titleOf(name), check]),
  ];
  return all.filter((entry): entry is [string, Check] => entry[1] !== undefined);
}

/** The line is among those that `explain` prints, and `run` says the same. */
function assertTold({ plan, program }: Seen, line: RegExp): void {
  const notes = plan.notes.filter((note) => line.test(note));
  assertEquals(notes.length, 1, `${line} is not one of:\n${plan.notes.join("\n")}`);
  const said = program.stderr.split("\n").filter((it) => it === `run: ${notes[0]}`);
  assertEquals(said.length, 1, program.stderr);
}

async function waitUntilUp(program: Program, apps: number): Promise<void> {
  await eventually("every app", () => {
    if (program.ended) throw new Error(`ended before its apps were up: ${program.stderr}`);
    const output = `${program.stdout}\n${program.stderr}`.replaceAll("\r", "");
    return (output.match(/\bup$/gm)?.length ?? 0) >= apps;
  });
}

for (const name of Object.keys(SUBJECTS) as SubjectName[]) {
  const subject: Subject = SUBJECTS[name];
  const { flags = {}, term, what } = subject;
  subjectScenario(`explain says of ${what} what is seen of it`, subject, async (stage, context) => {
    await using cleanUp = new AsyncDisposableStack();
    const composed = await subject.compose(stage, cleanUp);
    await using pod = composed.pod;
    const { host } = composed;
    const options: ExplainOptions & RunOptions = { flags, ...(host ? { host } : {}) };
    const plan = await explain(pod, { ...options, ...(term ? { term } : {}) });
    const env = term ? { TERM: term } : {};
    const program = await pod.start({ ...options, env, keepsStdin: term !== undefined });
    await waitUntilUp(program, plan.apps.length);
    const seen = seePod(plan, pod, program, host);
    for (const [title, check] of checksOf(name, "running")) {
      await context.step(title, async () => await check(seen));
    }
    await endPod(composed, program.pid);
    await program.result;
    for (const [title, check] of checksOf(name, "ended")) {
      await context.step(title, async () => await check(seen));
    }
    // Nothing is left out, and nothing said twice: what came by a terminal has no other stream.
    const said = program.stderr.split("\n").filter((line) => line.startsWith("run: "));
    if (term === undefined) assertEquals(said, plan.notes.map((note) => `run: ${note}`));
  });
}

for (const name of ["single", "several", "isolated"] as const) {
  const subject: Subject = SUBJECTS[name];
  const { flags = {}, what } = subject;
  subjectScenario(`explain tells of ${what} in the order of happening`, subject, async (stage) => {
    await using cleanUp = new AsyncDisposableStack();
    const composed = await subject.compose(stage, cleanUp);
    await using pod = composed.pod;
    const told = (await explainInWords(pod, { flags })).map((line) => line.trim());
    const program = await pod.start({ flags: { ...flags, debug: true } });
    await waitUntilUp(program, name === "several" ? 2 : 1);
    const done = program.stderr.split("\n").map((line) => line.replace(/^run: /, "").trim());
    const inCommon = linesInCommon(done, told);
    assert(inCommon.length > 10, "run tells of other things");
    assertEquals(inCommon, linesInCommon(told, done));
    // A shell that is the first process of a pod hears no SIGTERM.
    await endPod(composed, program.pid, { force: true });
    await program.result;
  });
}

scenario("explain tells of the apps of a mutable pod", { flavor: "isolated" }, async (stage) => {
  await using pod = await stage.script("true", { mutable: true });
  const [outcome, ...told] = await explainInWords(pod, { flags: { net: "none", mutable: true } });
  assert(outcome?.includes("run stays, and apps are added later"), outcome);
  const at = told.findIndex((line) => line.includes("app-add adds it while the pod runs"));
  const [name] = /(?<=app ").*(?=":)/.exec(told[at]!)!;
  assert(told.slice(at).includes(`make stage1/rootfs/opt/stage2/${name}/rootfs the app's root:`));
  assert(told.slice(0, at).every((line) => !line.includes("opt/stage2")));
});

/** The lines of a text that another one has as well, as often as that one has them. */
function linesInCommon(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines.filter((line) => {
    const i = left.indexOf(line);
    if (i >= 0) left.splice(i, 1);
    return i >= 0;
  });
}

/** Declares that `explain` refuses a pod as `run` does. */
function declareRefused(field: FieldName, { flavor, options = {}, edit, need }: Refused): void {
  const needs = need ? [need] : [];
  scenario(titleOf(field), { flavor: flavor ?? "host", needs }, async (stage) => {
    await using pod = await stage.script("echo started", options);
    await edit?.(pod, stage);
    const explained = await runExplain(pod, []);
    const { code, stdout, stderr } = await pod.run();
    assertEquals([explained.code, explained.stdout], [1, ""]);
    assertEquals([code, stdout], [254, ""]);
    assertEquals(explained.stderr.replace(/^explain: /, "run: "), stderr);
  });
}

for (const field of FIELDS) {
  const row = ROWS[field];
  if ("refused" in row) declareRefused(field, row.refused);
  if ("unseen" in row) {
    scenario(`explain says nothing on "${field}": ${row.unseen}`, async (stage) => {
      await using pod = await stage.script("true");
      const before = await explain(pod);
      await row.edit(pod, stage);
      assertEquals(await explain(pod), before);
    });
  }
}

Deno.test("every row of the table of fields is compared", () => {
  assertEquals(Object.keys(ROWS).toSorted(), FIELDS.toSorted());
  const compared = (Object.keys(SUBJECTS) as SubjectName[])
    .flatMap((subject) => [...checksOf(subject, "running"), ...checksOf(subject, "ended")])
    .map(([title]) => title);
  for (const field of FIELDS) {
    const row = ROWS[field];
    const isAlone = "refused" in row || "unseen" in row;
    assert(isAlone || compared.includes(titleOf(field)), `${field} is compared nowhere`);
  }
});
