/**
 * The user and groups of an app, as its manifests ask for them: appc spec, `spec/aci.md`,
 * `app.user` and `app.group`.
 *
 * @module
 */

import type { PodApp } from "../../stage1/pod.ts";
import { isFromDocker } from "../rootfs/volumes.ts";

/** The user and groups that a manifest asks for, before they are looked up. */
export interface UserRequest {
  user: string;
  group: string;
  supplementaryGIDs: number[];
  /** Whether an unknown group with the user's name means the user's number. */
  groupMayBeUser: boolean;
  /** The place of both in the manifest, for errors: `apps[0].app`. */
  field: string;
}

/** Returns the user and groups that the manifests of an app ask for. */
export function requestUser({ app, image, field }: PodApp): UserRequest {
  const imageUser = image.app;
  return {
    user: app.user,
    group: app.group,
    supplementaryGIDs: app.supplementaryGIDs,
    groupMayBeUser: isFromDocker(image) &&
      imageUser?.user === imageUser?.group && app.group === imageUser?.group,
    field: `${field}.app`,
  };
}
