/** The `enter` entrypoint: runs a command inside a running app. */

import { enterPod } from "../src/pod/enter.ts";
import { ENTER, parseEnterArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint(ENTER, (args) => enterPod(parseEnterArguments(args)));
