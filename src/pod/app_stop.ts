/**
 * `app-stop`: the supervisor asks an app to end. It knows how, and how long that may take.
 *
 * @module
 */

import { ControlClient, RequestError } from "../control/client.ts";
import { Done, NOT_RUNNING } from "../control/messages.ts";
import { selfConfine } from "../process/self_confine.ts";
import { APP_STOP, type AppStopArguments } from "../stage1/arguments.ts";
import { debugLog, warn } from "../stage1/log.ts";

/**
 * Has an app end, and waits until it has, and its post-stop handler too. Of an app that does not
 * run, the process ends with {@linkcode NOT_RUNNING}, which `rkt app rm` does not mind.
 *
 * @throws {Error} when there is nobody who can be asked, or the pod is immutable.
 */
export function stopApp({ app, debug }: AppStopArguments): void {
  using client = new ControlClient();
  selfConfine("asking", debugLog(APP_STOP.name, debug));
  try {
    client.ask({ do: "stop", app }, Done);
  } catch (error) {
    if (!(error instanceof RequestError) || error.code !== NOT_RUNNING) throw error;
    warn(APP_STOP.name, error.message);
    Deno.exit(NOT_RUNNING);
  }
}
