/**
 * To be imported by tests whose code calls libc: it is opened before the first test, which the test
 * runner would otherwise blame for leaving a library open.
 *
 * @module
 */

import { syscall } from "./libc.ts";

syscall("getpgid", 0);
