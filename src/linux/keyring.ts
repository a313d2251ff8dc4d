/**
 * Keyrings, in which the kernel keeps keys for processes: session-keyring(7).
 *
 * @module
 */

import type { CallScript } from "./call_script.ts";
import { ERRNO } from "./errno.ts";

const KEYCTL_JOIN_SESSION_KEYRING = 1;

/**
 * Records that a process gets a new, empty session keyring. Until then it shares the keyring, and
 * the keys in it, with the process that started it. A kernel without keyrings has none to share.
 */
export function recordOwnSessionKeyring(script: CallScript): void {
  script.allowing(ERRNO.ENOSYS, "keyctl", KEYCTL_JOIN_SESSION_KEYRING, null);
}
