/** The `enter` entrypoint: runs a command inside a running app. */

import { enterPod } from "../src/pod/enter.ts";
import { parseEnterArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint("enter", (args) => enterPod(parseEnterArguments(args)));
