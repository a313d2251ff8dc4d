/** The `run` entrypoint: builds the pod's environment and becomes its app. */

import { runPod } from "../src/pod/run.ts";
import { parseRunArguments, RUN } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint(RUN, (args) => runPod(parseRunArguments(args)));
