import { assertEquals, assertThrows } from "@std/assert";
import type { Credentials } from "../linux/credentials.ts";
import type { UserRequest } from "../plan/process/user.ts";
import { withRoot } from "./root_testing.ts";
import { findEntry, resolveUser } from "./users.ts";

function request(fields: Partial<UserRequest>): UserRequest {
  return {
    user: "0",
    group: "0",
    supplementaryGIDs: [],
    groupMayBeUser: false,
    field: "apps[0].app",
    ...fields,
  };
}

/** The credentials of a user that is looked up. */
function resolveCredentials(...args: Parameters<typeof resolveUser>): Credentials {
  return resolveUser(...args).credentials;
}

function writeDatabases(path: string): void {
  Deno.mkdirSync(`${path}/etc`);
  Deno.writeTextFileSync(`${path}/etc/passwd`, "root:x:0:0::/:/bin/sh\nvolo:x:1000:7::/:\n");
  Deno.writeTextFileSync(`${path}/etc/group`, "root:x:0:\nstaff:x:50:volo\n");
}

Deno.test("numbers need no database, and the primary group leads the others", () => {
  withRoot(({ root }) => {
    const wanted = request({ user: "12", group: "34", supplementaryGIDs: [5, 6] });
    assertEquals(resolveCredentials(root, wanted), { uid: 12, gid: 34, groups: [34, 5, 6] });
  });
});

Deno.test("a name of digits is a name before it is a number", () => {
  withRoot(({ root, path }) => {
    writeDatabases(path);
    Deno.writeTextFileSync(`${path}/etc/passwd`, "12:x:500:7::/:\n", { append: true });
    Deno.writeTextFileSync(`${path}/etc/group`, "99999999999:x:60:\n", { append: true });
    const wanted = request({ user: "12", group: "99999999999" });
    assertEquals(resolveCredentials(root, wanted), { uid: 500, gid: 60, groups: [60] });
    const numbers = request({ user: "500", group: "60" });
    assertEquals(resolveCredentials(root, numbers), { uid: 500, gid: 60, groups: [60] });
  });
});

Deno.test("a number is an id where the app's list of names cannot be read", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/etc/passwd`, { recursive: true });
    Deno.symlinkSync("group", `${path}/etc/group`);
    const wanted = request({ user: "12", group: "34" });
    assertEquals(resolveUser(root, wanted), {
      credentials: { uid: 12, gid: 34, groups: [34] },
      account: { name: undefined, home: "/" },
    });
  });
});

Deno.test("a user's account is what the app's list of users has of it", () => {
  withRoot(({ root, path }) => {
    writeDatabases(path);
    const more = "twin:x:1000:7::/srv:\nodd:x:3:3::srv:\nnul:x:4:4::/a\0b:\n:x:5:5::/e:\n" +
      `long:x:6:6::/${"x".repeat(5000)}:\n`;
    Deno.writeTextFileSync(`${path}/etc/passwd`, more, { append: true });
    const account = (user: string) => resolveUser(root, request({ user })).account;
    const cases: [user: string, name: string | undefined, home: string][] = [
      ["volo", "volo", "/"],
      ["twin", "twin", "/srv"],
      ["1000", "volo", "/"],
      ["/etc/passwd", "root", "/root"],
      ["root", "root", "/root"],
      ["0", "root", "/root"],
      ["77", undefined, "/"],
      ["odd", "odd", "/"],
      ["nul", "nul", "/"],
      ["5", undefined, "/e"],
      ["long", "long", "/"],
    ];
    for (const [user, name, home] of cases) {
      assertEquals([user, account(user)], [user, { name, home }]);
    }
  });
});

Deno.test("names are looked up in the app", () => {
  withRoot(({ root, path }) => {
    writeDatabases(path);
    const wanted = request({ user: "volo", group: "staff" });
    assertEquals(resolveCredentials(root, wanted), { uid: 1000, gid: 50, groups: [50] });
  });
});

Deno.test("a path means its owner, as the app sees the path", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/srv`);
    Deno.chownSync(`${path}/srv`, 21, 22);
    Deno.symlinkSync("/srv", `${path}/link`);
    const wanted = request({ user: "/link", group: "/../srv" });
    assertEquals(resolveCredentials(root, wanted), { uid: 21, gid: 22, groups: [22] });
  });
});

Deno.test("a path's owner is one of the pod's users, where these are not the host's", () => {
  withRoot(({ root, path }) => {
    const ids = { shift: 5000, count: 100 };
    Deno.mkdirSync(`${path}/srv`);
    const wanted = request({ user: "/srv", group: "/srv" });
    Deno.chownSync(`${path}/srv`, 5021, 5022);
    assertEquals(resolveCredentials(root, wanted, ids), { uid: 21, gid: 22, groups: [22] });
    Deno.chownSync(`${path}/srv`, 21, 5022);
    const message = 'apps[0].app.user: "/srv" is a path whose owner is meant, and that is no user';
    assertThrows(() => resolveCredentials(root, wanted, ids), Error, message);
  });
});

Deno.test("ids that the pod does not have are errors", () => {
  withRoot(({ root }) => {
    const refused: [Partial<UserRequest>, string][] = [
      [{ user: "100" }, "apps[0].app.user"],
      [{ group: "100" }, "apps[0].app.group"],
      [{ supplementaryGIDs: [99, 100] }, "apps[0].app.supplementaryGIDs[1]"],
    ];
    for (const [fields, field] of refused) {
      const resolve = () => resolveCredentials(root, request(fields), { shift: 5000, count: 100 });
      const { cause } = assertThrows(resolve, Error, field);
      assertEquals(
        (cause as Error).message.startsWith("100 is not one of the pod's 100 ids"),
        true,
      );
    }
  });
});

Deno.test("an error names the field, the value and the app's file", () => {
  withRoot(({ root, path }) => {
    const daemon = request({ user: "daemon" });
    assertThrows(
      () => resolveCredentials(root, daemon),
      Error,
      'apps[0].app.user: "daemon" user not found: the app has no /etc/passwd',
    );
    writeDatabases(path);
    assertThrows(
      () => resolveCredentials(root, daemon),
      Error,
      'apps[0].app.user: "daemon" user not found in /etc/passwd of the app',
    );
    assertThrows(
      () => resolveCredentials(root, request({ group: "/missing" })),
      Error,
      'apps[0].app.group: "/missing" is a path whose owner is meant',
    );
    assertThrows(
      () => resolveCredentials(root, request({ user: "4294967295" })),
      Error,
      'apps[0].app.user: "4294967295" is too large for an id',
    );
  });
});

Deno.test("a group that docker2aci named after the user falls back to the user's number", () => {
  withRoot(({ root, path }) => {
    writeDatabases(path);
    const wanted = request({ user: "volo", group: "volo" });
    assertThrows(() => resolveCredentials(root, wanted), Error, "/etc/group");
    assertEquals(resolveCredentials(root, { ...wanted, groupMayBeUser: true }).gid, 1000);
  });
});

Deno.test("a FIFO, a device link or a directory in place of /etc/passwd is refused, not waited for", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/etc`);
    new Deno.Command("mkfifo", { args: [`${path}/etc/passwd`] }).outputSync();
    assertThrows(() => resolveCredentials(root, request({ user: "a" })), Error, "/etc/passwd");
    Deno.removeSync(`${path}/etc/passwd`);
    Deno.mkdirSync(`${path}/etc/passwd`);
    assertThrows(() => resolveCredentials(root, request({ user: "a" })), Error, "/etc/passwd");
  });
});

Deno.test("lines that are cut short or have no number are passed over", () => {
  const find = (database: string) => findEntry(database, ({ name }) => name === "a")?.id;
  const odd = "a\na:x\na:x:\na:x:12x:\na:x:-1:\na:x:99999999999:\n";
  assertEquals(find(odd), undefined);
  assertEquals(find(`${odd}a:x:5:\na:x:6:\n`), 5);
  assertEquals(find(""), undefined);
});
