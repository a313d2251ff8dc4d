/** The `attach` entrypoint: attaches the caller's streams to those of a running app. */

import { attachToApp } from "../src/pod/attach.ts";
import { ATTACH, parseAttachArguments } from "../src/stage1/arguments.ts";
import { entrypoint } from "../src/stage1/entrypoint.ts";

entrypoint(ATTACH, (args) => attachToApp(parseAttachArguments(args)));
