/** The `run` entrypoint: builds the pod's environment and becomes its app. */

import { runPod } from "../src/pod/run.ts";
import { parseRunArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint("run", (args) => runPod(parseRunArguments(args)));
