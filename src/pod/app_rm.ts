/**
 * `app-rm`: an app is taken out of a pod that runs. The supervisor lets go all that it holds of the
 * app, so that the host can unmount its root; its cgroups and files are removed here. Its logs
 * stay.
 *
 * @module
 */

import { removeAppCgroups } from "../cgroup/remove.ts";
import { ControlClient } from "../control/client.ts";
import { Done } from "../control/messages.ts";
import { selfConfine } from "../process/self_confine.ts";
import { APP_RM, type AppArguments } from "../stage1/arguments.ts";
import { removeCredentials } from "../stage1/credentials_file.ts";
import { removeEnvironment } from "../stage1/environment_file.ts";
import { debugLog } from "../stage1/log.ts";
import { loadRun } from "../stage1/runtime_config.ts";
import { removeStatus } from "../stage1/status_files.ts";

/**
 * Takes an app out of the pod, and ends it before. Also what is left of an app that could not be
 * added to its end is removed: the pod need not know the app.
 *
 * @throws {Error} when there is nobody who can be asked, the pod is immutable, or something cannot
 * be removed.
 */
export function removeApp({ app, debug }: AppArguments): void {
  const log = debugLog(APP_RM.name, debug);
  const { uuid } = loadRun().args;
  using client = new ControlClient();
  selfConfine("app-rm", log);
  // A descriptor that comes with the answer is left open: closing it could take any time, and what
  // this process has when it ends takes none.
  client.ask({ do: "remove", app }, Done);
  removeAppCgroups(uuid, app, log);
  removeCredentials(app);
  // stage0 removes them behind the overlay's back: it would go on showing what it has in its cache,
  // and refuse to replace that for the next app of the name.
  removeEnvironment(app);
  removeStatus(app);
}
