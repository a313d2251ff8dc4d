import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type Flavor, FLAVORS } from "../../stage1/flavor.ts";
import { composePod } from "../plan_testing.ts";
import { judgeImagePrivileges } from "./image_privileges.ts";

interface Isolator {
  name: string;
  value: unknown;
}

function retain(kind: "capabilities" | "seccomp", ...set: string[]): Isolator {
  return { name: `os/linux/${kind}-retain-set`, value: { set } };
}

/** Judges what an image asks for, in a pod manifest that asks for it, too, unless said. */
function judge(ofImage: Isolator[], ofPod = ofImage, value = "false"): string[] {
  const annotations = value === "" ? [] : [{ name: "stage1-volo/image-privileges", value }];
  const { apps: [app] } = composePod({
    image: { isolators: ofImage },
    apps: { server: { isolators: ofPod } },
  });
  return judgeImagePrivileges({ ...app!, runtime: { ...app!.runtime, annotations } }, "isolated");
}

/** What an image may not ask for, and how the error says that. */
const REFUSED: [isolator: Isolator, more: string][] = [
  [retain("capabilities", "CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_BPF"), "CAP_SYS_ADMIN, CAP_BPF"],
  [retain("seccomp", "@appc.io/all"), "a filter that lets more system calls through"],
  [retain("seccomp", "@rkt/default-whitelist", "mount"), "a filter that lets more"],
  // A call that is named is let through with all arguments.
  [retain("seccomp", "@rkt/default-whitelist", "clone"), "a filter that lets more"],
  [{ name: "os/linux/seccomp-remove-set", value: { set: ["mount"] } }, "a filter that lets more"],
  [{ name: "os/linux/oom-score-adj", value: -1 }, "others to be killed for memory before it"],
  [{ name: "os/linux/cpu-shares", value: 1025 }, "a larger share of the processors"],
  [{ name: "os/linux/apparmor-profile", value: { profile: "unconfined" } }, "a security label"],
];

for (const [isolator, more] of REFUSED) {
  Deno.test(`an image is refused ${JSON.stringify(isolator)}`, () => {
    const message = `apps[0].app.isolators[0]: the image itself asks for ${more}`;
    const error = assertThrows(() => judge([isolator]), Error, message);
    const end = ": refused: where the app's annotation stage1-volo/image-privileges is false";
    assertEquals(error.message.slice(-end.length), end);
    // The operator may allow it, or ask for it in other words.
    assertEquals(judge([isolator], [isolator], "true"), []);
    assertEquals(judge([isolator], []), []);
    // Or has said nothing.
    const [note, ...others] = judge([isolator], [isolator], "");
    assertStringIncludes(note!, message);
    assertStringIncludes(note!, ": granted: ");
    assertEquals(others, []);
  });
}

/** What bounds an app further. */
const GRANTED: Isolator[] = [
  retain("capabilities", "CAP_CHOWN", "CAP_SYS_CHROOT"),
  { name: "os/linux/capabilities-remove-set", value: { set: ["CAP_CHOWN"] } },
  retain("seccomp", "@rkt/default-whitelist"),
  retain("seccomp", "read", "write", "open"),
  { name: "os/linux/seccomp-remove-set", value: { set: ["@appc.io/empty"] } },
  { name: "os/linux/no-new-privileges", value: true },
  { name: "os/linux/oom-score-adj", value: 500 },
  { name: "resource/memory", value: { limit: "1Gi" } },
];

for (const isolator of GRANTED) {
  Deno.test(`an image is granted ${JSON.stringify(isolator)}`, () => {
    assertEquals(judge([isolator]), []);
    assertEquals(judge([isolator], [isolator], ""), []);
  });
}

Deno.test("what the operator asks for is granted", () => {
  const ofPod = [retain("capabilities", "CAP_NET_ADMIN")];
  assertEquals(judge([retain("capabilities", "CAP_SYS_ADMIN")], ofPod), []);
});

Deno.test("an image is refused groups in either flavor, and the operator is granted them", () => {
  const refuseGroups = (flavor: Flavor, ofPod: number[]) => {
    const annotations = [{ name: "stage1-volo/image-privileges", value: "false" }];
    const { apps: [app] } = composePod({
      image: { supplementaryGIDs: [6] },
      apps: { server: { supplementaryGIDs: ofPod } },
    });
    judgeImagePrivileges({ ...app!, runtime: { ...app!.runtime, annotations } }, flavor);
  };
  for (const flavor of FLAVORS) {
    const message = "apps[0].app.supplementaryGIDs: the image itself asks for [6]: refused: ";
    assertThrows(() => refuseGroups(flavor, [6]), Error, message);
    refuseGroups(flavor, [7]);
    refuseGroups(flavor, []);
  }
});

Deno.test("in the host's namespaces, isolators of an image take nothing that an app has not", () => {
  const isolators = [retain("capabilities", "CAP_SYS_ADMIN")];
  const { apps: [app] } = composePod({ image: { isolators } });
  const annotations = [{ name: "stage1-volo/image-privileges", value: "false" }];
  judgeImagePrivileges({ ...app!, runtime: { ...app!.runtime, annotations } }, "host");
});
