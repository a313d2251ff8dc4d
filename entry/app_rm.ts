/** The `app-rm` entrypoint: takes an app out of a running pod. */

import { removeApp } from "../src/pod/app_rm.ts";
import { APP_RM, parseAppArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint(APP_RM, (args) => removeApp(parseAppArguments(args)));
