/** The `app-stop` entrypoint: has a running pod end one of its apps. */

import { stopApp } from "../src/pod/app_stop.ts";
import { APP_STOP, parseAppArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint(APP_STOP, (args) => stopApp(parseAppArguments(args)));
