/** The `gc` entrypoint: takes down what a pod has left behind. */

import { collectPod } from "../src/pod/gc.ts";
import { parseGcArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint("gc", (args) => collectPod(parseGcArguments(args)));
