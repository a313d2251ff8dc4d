/** The `app-start` entrypoint: starts an app that was added to a running pod. */

import { startApp } from "../src/pod/app_start.ts";
import { APP_START, parseAppArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint(APP_START, (args) => startApp(parseAppArguments(args)));
