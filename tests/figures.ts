/**
 * The commands of docs/figures.md.
 *
 * @module
 */

const PAGE = new URL("../docs/figures.md", import.meta.url);

/**
 * Returns the commands below a heading, one a line, for a shell that is in the pod directory.
 *
 * @param heading The text of the heading.
 * @param app The name of the app that they are about.
 */
export function figureCommands(heading: string, app: string): string[] {
  const section = Deno.readTextFileSync(PAGE).split(/^## /m)
    .find((text) => text.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/figures.md has no ${heading}`);
  const [, block = ""] = section.match(/^```console\n(.*?)^```/ms) ?? [];
  return [...block.matchAll(/^# (.*)$/gm)].map(([, command]) => command!.replaceAll("APP", app))
    .filter((command) => !command.startsWith("cd "));
}
