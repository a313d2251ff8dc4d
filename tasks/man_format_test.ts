import { assertEquals } from "@std/assert";
import { renderManPage } from "./man_format.ts";

function renderText(text: string): string {
  const page = renderManPage(
    { name: "x", section: 7, about: "it", parts: [{ heading: "A", blocks: [text] }] },
    "volo",
  );
  return page.split("\n")[5]!;
}

Deno.test("no text is a request or an escape", () => {
  assertEquals(renderText(".so /etc/shadow"), "\\&.so /etc/shadow");
  assertEquals(renderText("'x"), "\\&'x");
  assertEquals(renderText("a\\fBb\n.so x"), "a\\efBb .so x");
});

Deno.test("words in backquotes are literal, and what is in them can be copied", () => {
  assertEquals(renderText("say `--net`, or not"), "say \\fB\\-\\-net\\fP, or not");
  // A bare circumflex is shown as an accent.
  assertEquals(renderText("`^C`"), "\\fB\\(haC\\fP");
});
