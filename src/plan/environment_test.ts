import { assertEquals } from "@std/assert";
import {
  composeEnvironment,
  environmentEntries,
  ROOT_ACCOUNT,
  UNKNOWN_ACCOUNT,
  withAccount,
} from "./environment.ts";

Deno.test("an app that declares nothing gets the defaults and what the spec asks for", () => {
  assertEquals(Object.fromEntries(composeEnvironment([], "web", undefined)), {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    SHELL: "/bin/sh",
    AC_APP_NAME: "web",
    container: "rkt",
  });
});

Deno.test("an app overrides defaults, but not what only the executor knows", () => {
  const declared = [{ name: "PATH", value: "/bin" }, { name: "AC_APP_NAME", value: "other" }];
  const environment = composeEnvironment(declared, "web", "http://127.0.0.1:18112/token");
  assertEquals(environment.get("PATH"), "/bin");
  assertEquals(environment.get("AC_APP_NAME"), "web");
  assertEquals(environment.get("AC_METADATA_URL"), "http://127.0.0.1:18112/token");
});

Deno.test("a user's account gives way to what the app declares, and an unknown one has a home", () => {
  const declared = new Map([["USER", "me"], ["A", "1"]]);
  assertEquals(Object.fromEntries(withAccount(declared, ROOT_ACCOUNT)), {
    USER: "me",
    LOGNAME: "root",
    HOME: "/root",
    A: "1",
  });
  assertEquals(Object.fromEntries(withAccount(new Map(), UNKNOWN_ACCOUNT)), { HOME: "/" });
});

Deno.test("entries keep newlines, equals signs and nothing at all", () => {
  const environment = new Map([["A", "1\n2"], ["B", "x=y"], ["C", ""]]);
  assertEquals(environmentEntries(environment), ["A=1\n2", "B=x=y", "C="]);
});
