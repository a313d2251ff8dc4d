/** The `gc` entrypoint: takes down what a pod has left behind. */

import { collectPod } from "../src/pod/gc.ts";
import { GC, parseGcArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint(GC, (args) => collectPod(parseGcArguments(args)));
