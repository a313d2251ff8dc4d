/** The `stop` entrypoint: asks a pod's processes to end, or ends them. */

import { stopPod } from "../src/pod/stop.ts";
import { parseStopArguments, STOP } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint(STOP, (args) => stopPod(parseStopArguments(args)));
