/**
 * `app-stop`: the supervisor asks an app to end. It knows how, and how long that may take.
 *
 * @module
 */

import { ControlClient } from "../control/client.ts";
import { Done } from "../control/messages.ts";
import { selfConfine } from "../process/self_confine.ts";
import { APP_STOP, type AppArguments } from "../stage1/arguments.ts";
import { debugLog } from "../stage1/log.ts";

/**
 * Has an app end, and waits until it has, and its post-stop handler too. An app that does not run
 * has ended already.
 *
 * @throws {Error} when there is nobody who can be asked, or the pod is immutable.
 */
export function stopApp({ app, debug }: AppArguments): void {
  using client = new ControlClient();
  selfConfine("asking", debugLog(APP_STOP.name, debug));
  client.ask({ do: "stop", app }, Done);
}
