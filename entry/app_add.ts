/** The `app-add` entrypoint: adds an app to a running pod. */

import { addApp } from "../src/pod/app_add.ts";
import { APP_ADD, parseAppAddArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint(APP_ADD, (args) => addApp(parseAppAddArguments(args)));
