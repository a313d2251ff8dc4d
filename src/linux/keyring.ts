/**
 * Keyrings: keys that the kernel keeps for processes. See session-keyring(7).
 *
 * @module
 */

import type { CallScript } from "./call_script.ts";
import { ERRNO } from "./errno.ts";

const KEYCTL_JOIN_SESSION_KEYRING = 1;

/**
 * Records that a process gets a new, empty session keyring in the place of the one that it shares
 * with who started it, and with it the keys there. A kernel without keyrings has none to share.
 */
export function recordOwnSessionKeyring(script: CallScript): void {
  script.allowing(ERRNO.ENOSYS, "keyctl", KEYCTL_JOIN_SESSION_KEYRING, null);
}
