import { assertEquals, assertThrows } from "@std/assert";
import type { PodApp } from "../stage1/pod.ts";
import { foreignAnnotationsOf } from "./annotations.ts";
import { DEFAULT_LOG, planLog } from "./log.ts";
import { composePod } from "./plan_testing.ts";

/** An app whose pod, or whose image, has one of our annotations. */
function appWith(of: "runtime" | "image", setting: string, value: string): PodApp {
  const [app] = composePod({}).apps;
  const annotations = [{ name: `stage1-volo/${setting}`, value }];
  return { ...app!, [of]: { ...app![of], annotations } };
}

const settings: [setting: string, value: string, plan: object][] = [
  ["log-format", "raw", { format: "raw" }],
  ["log-format", "cri", { format: "cri" }],
  ["log-to", "file", { to: ["file"] }],
  ["log-to", "journald", { to: ["journald"] }],
  ["log-to", "both", { to: ["file", "journald"] }],
  ["log-size", "64Ki", { size: 65_536 }],
  ["log-size", "0.1M", { size: 100_000 }],
  ["log-files", "1", { files: 1 }],
  ["log-files", "100", { files: 100 }],
];

for (const [setting, value, plan] of settings) {
  Deno.test(`${setting}=${value} is what an operator can say`, () => {
    assertEquals(planLog(appWith("runtime", setting, value), null), { ...DEFAULT_LOG, ...plan });
  });

  Deno.test(`${setting}=${value} is not for an image to say`, () => {
    const app = appWith("image", setting, value);
    assertEquals(planLog(app, null), DEFAULT_LOG);
    assertEquals(foreignAnnotationsOf(app).map(({ name }) => name), [`stage1-volo/${setting}`]);
  });
}

const wrong: [setting: string, value: string, why: string][] = [
  ["log-format", "CRI", '.value: "CRI" is not one of raw, cri (stage1-volo/log-format)'],
  ["log-format", "", '.value: "" is not one of raw, cri (stage1-volo/log-format)'],
  ["log-format", "toString", '.value: "toString" is not one of raw, cri (stage1-volo/log-format)'],
  ["log-to", "files", '.value: "files" is not one of file, journald, both (stage1-volo/log-to)'],
  [
    "log-size",
    "64K",
    '.value: "64K" is not a quantity such as 64Ki, 16Mi or 100M (stage1-volo/log-size)',
  ],
  ["log-size", "65535", '.value: "65535" is less than 64Ki (stage1-volo/log-size)'],
  ["log-size", "-1Gi", '.value: "-1Gi" is less than 64Ki (stage1-volo/log-size)'],
  ["log-files", "0", '.value: "0" is not a number from 1 to 100 (stage1-volo/log-files)'],
  ["log-files", "101", '.value: "101" is not a number from 1 to 100 (stage1-volo/log-files)'],
  ["log-files", "2.0", '.value: "2.0" is not a number from 1 to 100 (stage1-volo/log-files)'],
];

for (const [setting, value, why] of wrong) {
  Deno.test(`${setting}="${value}" is refused by its place`, () => {
    const act = () => planLog(appWith("runtime", setting, value), null);
    assertThrows(act, Error, `apps[0].annotations[0]${why}`);
  });
}
