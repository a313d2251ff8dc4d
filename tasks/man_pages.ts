/**
 * The manual pages of the entrypoints and of the annotations, made from the tables by which the
 * code acts on them: `deno task explain --man`.
 *
 * @module
 */

import { ANNOTATION_RULES, type AnnotationRule } from "../src/plan/annotations.ts";
import {
  APP_ADD,
  APP_RM,
  APP_START,
  APP_STOP,
  ATTACH,
  ENTER,
  GC,
  RUN,
  STOP,
} from "../src/stage1/arguments.ts";
import type { CommandLine } from "../src/stage1/command_line.ts";
import { type ManPage, type Part, renderManPage } from "./man_format.ts";
import { VERSION } from "./project.ts";

/** The directory of the pages, in the project's. */
export const MAN_DIRECTORY = "docs/man";

/** Returns the pages' texts, by the names of their files. */
export function manPages(): Map<string, string> {
  const pages = [...COMMANDS.map(pageOfEntrypoint), pageOfAnnotations()];
  return new Map(
    pages.map((page) => [
      `${page.name}.${page.section}`,
      renderManPage(page, `stage1-volo ${VERSION}`),
    ]),
  );
}

/** The command lines of the entrypoints. */
export const COMMANDS = [RUN, ENTER, STOP, GC, APP_ADD, APP_START, APP_STOP, APP_RM, ATTACH];

const RKT_CALLS_IT: Readonly<Record<string, string>> = {
  run: "`rkt run` and `rkt run-prepared` become this program.",
  enter: "`rkt enter` becomes this program.",
  stop: "`rkt stop` calls it, with `--force` if that is given.",
  gc:
    "`rkt gc` and `rkt rm` call it before they remove the pod's directory; `run` has it take the " +
    "pod from its networks when the pod ends.",
  "app-add": "`rkt app add` calls it when the app is in the manifest, and its root in place.",
  "app-start": "`rkt app start` calls it, also for an app that has run before.",
  "app-stop": "`rkt app stop` and `rkt app rm` call it.",
  "app-rm": "`rkt app rm` calls it, and removes the app's files then.",
  "attach":
    "`rkt attach` calls it: with `--mode=list` to list, with no mode to attach to all that the app " +
    "has. `^]` three times within a second detaches from the app's terminal, `^C` from its streams. " +
    "To detach does the app no harm, nor does a signal that ends the client. But the end of the " +
    "client's input is the end of the app's.",
};

const EXIT_STATUSES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  run: [
    ["0", "Every app ended with 0, or by the signal that asked it to."],
    ["1 to 255", "The status of the app that failed first."],
    ["128 + N", "Signal N ended the app that failed first."],
  ],
  enter: [["any", "That of the command. It ends by a signal if the command does."]],
  stop: [["0", "The pod has been asked to end; with `--force`, it has ended."]],
  gc: [["0", "Nothing of the pod is left but its directory."]],
  "app-add": [["0", "The app can be started."]],
  "app-start": [["0", "The app runs. What becomes of it, `rkt app status` shows."]],
  "app-stop": [
    ["0", "The app does not run: it has ended, and its post-stop handler too."],
  ],
  "app-rm": [["0", "Nothing of the app is left but its files."]],
  "attach": [
    ["0", "The app has ended, or the caller has detached by the keys of a terminal."],
    ["any", "That of the signal that has ended it, by which it ends itself."],
  ],
};

function failureOf(entrypoint: string): readonly [string, string] {
  const failure = entrypoint === "gc"
    ? "Something is left, which is named on standard error, a line each"
    : "An error, which is one line on standard error";
  return ["254", `${failure}: \`${entrypoint}: what: why\`.`];
}

function pageOfEntrypoint(command: CommandLine): ManPage {
  const { name, usage, does } = command;
  return {
    name: pageNameOf(name),
    section: 8,
    about: uncapitalized(does.replace(/\.$/, "")),
    parts: [
      { heading: "SYNOPSIS", blocks: [`\`/${name} ${usage}\``] },
      {
        heading: "DESCRIPTION",
        blocks: [
          `${does} ${RKT_CALLS_IT[name]}`,
          "It is an entrypoint of a stage1 image: rkt calls it with the pod's directory as working " +
          "directory. People need it only to look into a pod that rkt cannot handle any more.",
        ],
      },
      optionsOf(command),
      { heading: "EXIT STATUS", blocks: [[...EXIT_STATUSES[name]!, failureOf(name)]] },
      { heading: "ENVIRONMENT", blocks: [variablesOf(name)] },
      seeAlso(pageNameOf(name)),
    ],
  };
}

const LOCK = [
  "RKT_LOCK_FD",
  "The descriptor of the pod's directory, which rkt has locked.",
] as const;
const DEBUG = ["STAGE1_VOLO_DEBUG", "With `true`, the entrypoint acts as with `--debug`."] as const;

/** Lists the variables of an entrypoint. The lock is handed to `run` alone. */
function variablesOf(entrypoint: string): readonly (readonly [string, string])[] {
  return entrypoint === "run" ? [LOCK, DEBUG] : [DEBUG];
}

function optionsOf({ flags }: CommandLine): Part {
  const terms = Object.entries(flags).map(([flag, { value, does }]) =>
    [value === undefined ? `--${flag}` : `--${flag}=${value}`, `${capitalized(does)}.`] as const
  );
  return { heading: "OPTIONS", blocks: [terms] };
}

function pageOfAnnotations(): ManPage {
  const rules: [string, AnnotationRule][] = Object.entries(ANNOTATION_RULES);
  const of = (whose: AnnotationRule["of"]) => rules.filter(([, rule]) => rule.of === whose);
  return {
    name: ANNOTATIONS_PAGE,
    section: 7,
    about: "annotations that the stage1-volo images read",
    parts: [
      {
        heading: "DESCRIPTION",
        blocks: [
          "What the appc schema has no field for is said by annotations: pairs of a name and a " +
          "value. Those that nobody reads have no effect.",
        ],
      },
      {
        heading: "OF AN APP",
        blocks: [
          "`rkt run IMAGE --annotation=NAME=VALUE` gives them to the app of that image, and " +
          "`rkt app add` to the app that it adds. What an image's own manifest says holds unless " +
          "that is done, but for those that are the operator's alone.",
          of("app").map(termOf),
        ],
      },
      {
        heading: "OF A POD",
        blocks: [
          "They stand in the pod manifest, `rkt run --pod-manifest=FILE`. " +
          "`rkt app sandbox --annotation=NAME=VALUE` gives them to the pod that it begins. " +
          "`rkt run` without a manifest has no option for them.",
          of("pod").map(termOf),
        ],
      },
      seeAlso(ANNOTATIONS_PAGE),
    ],
  };
}

function termOf(
  [name, { values, does, unlessSaid, operatorsAlone }]: [string, AnnotationRule],
): readonly [string, string] {
  const whose = operatorsAlone ? " It is the operator's alone." : "";
  return [name, `${capitalized(does)}. Values: ${values}. If not said: ${unlessSaid}.${whose}`];
}

const ANNOTATIONS_PAGE = "stage1-volo-annotations";

function pageNameOf(entrypoint: string): string {
  return `stage1-volo-${entrypoint}`;
}

function seeAlso(page: string): Part {
  const pages = [
    ...COMMANDS.map(({ name }) => `${pageNameOf(name)}(8)`),
    `${ANNOTATIONS_PAGE}(7)`,
  ];
  const others = pages.filter((each) => !each.startsWith(`${page}(`));
  return {
    heading: "SEE ALSO",
    blocks: [`${others.join(", ")}; \`docs/operating.md\` of the project.`],
  };
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function uncapitalized(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
