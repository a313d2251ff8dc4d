/**
 * Runs every command of the operator's manual, as it stands there, on a host of its own: nothing
 * that it writes into /etc, /opt, /run, /var/lib and /var/log is this machine's. The page about
 * pods that change while they run is one session.
 */

import { assertEquals } from "@std/assert";
import { execute, isFile, which } from "./host.ts";
import { packImage } from "./images.ts";
import { ISOLATED_STAGE1, type Need, scenario, type Stage, STAGE1 } from "./scenario.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const read = (page: string) => Deno.readTextFileSync(`${ROOT}docs/${page}.md`);
const RKT = Deno.env.get("RKT") || which("rkt");

const WITH_RKT: Need[] = [{ what: "rkt on PATH or in RKT", met: RKT !== undefined }];
const WITH_MAN: Need[] = [{ what: "man", met: which("man") !== undefined }];
const WITH_GPG: Need[] = [{ what: "gpg", met: which("gpg") !== undefined }];

/** A part of the manual: its heading, and the commands below it. */
interface Section {
  heading: string;
  commands: string[];
}

/** Returns the sections that have commands. */
function sectionsOf(page: string): Section[] {
  return page.split(/^## /m).flatMap((text) => {
    const heading = text.slice(0, text.indexOf("\n"));
    const commands = commandsIn(text);
    return commands.length > 0 ? [{ heading, commands }] : [];
  });
}

function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/^```console\n(.*?)^```/gms)].map(([, block]) => block!);
  return blocks.flatMap(commandsOf);
}

/** Returns the commands of a block, without their prompts and without what they print. */
function commandsOf(block: string): string[] {
  const prompted = /^[#$] ((?:.*\\\n)*(?:.*<<END\n(?:.*\n)*?END|.*))$/gm;
  return [...block.matchAll(prompted)].map(([, command]) => command!);
}

/** What the commands of a section need, and what stands for the placeholders in them. */
interface Setting {
  needs?: Need[];
  /** What an earlier section has done by then. */
  before?: string;
  prepare(stage: Stage): Promise<Record<string, string>>;
}

const PUBLIC_KEY = STAGE1.replace(/[^/]*$/, "development-key.pub.asc");
const SIGNED: Need[] = [{ what: "signed images", met: isFile(`${STAGE1}.asc`) }];

/** The images and the key that the manual has in `dist`. */
const DIST: Record<string, string> = {
  "dist/stage1-volo.aci": STAGE1,
  "dist/stage1-volo-isolated.aci": ISOLATED_STAGE1,
  "dist/development-key.pub.asc": PUBLIC_KEY,
};

/** An app that ends by itself after a while, or when it is asked. */
const PATIENT = "trap 'exit 0' TERM; sleep 3 & wait";

/** A server, until it is asked to end. */
const SERVER = "echo I am up; trap 'exit 0' TERM; sleep 600 & wait";

const withApp = (stage: Stage) => withScript(stage, PATIENT);
const withServer = (stage: Stage) => withScript(stage, SERVER);

async function withScript(
  { dir, image }: Stage,
  script: string,
): Promise<Record<string, string>> {
  const exec = ["/bin/sh", "-c", script];
  const aci = await packImage(await image({ app: { exec } }), `${dir}/app.aci`, "--gzip");
  return { ...DIST, "APP.aci": aci };
}

/** A copy of the image, whose provenance has its name: what signs one writes beside it. */
async function withCopy({ dir }: Stage): Promise<Record<string, string>> {
  const IMAGE = `${dir}/${STAGE1.replace(/^.*\//, "")}`;
  for (const suffix of ["", ".provenance.json", ".provenance.json.asc", ".cdx.json", ".asc"]) {
    await Deno.copyFile(`${STAGE1}${suffix}`, `${IMAGE}${suffix}`);
  }
  const FILE = PUBLIC_KEY.replace(".pub", "");
  return { IMAGE, FILE, KEY: PUBLIC_KEY };
}

async function withPod({ script }: Stage): Promise<Record<string, string>> {
  return { POD_DIRECTORY: (await script("true")).dir };
}

const FETCH = `rkt fetch --insecure-options=image ${ISOLATED_STAGE1}`;

/** By heading. */
const SETTINGS: Record<string, Setting> = {
  "Run by name, or by file": { needs: WITH_RKT, prepare: withApp },
  "Make an image the default": { needs: WITH_RKT, prepare: withApp },
  "Give an image another name": { needs: WITH_RKT, prepare: withApp },
  "Pods as units": { needs: WITH_RKT, before: FETCH, prepare: withApp },
  "Upgrade, and go back": { needs: WITH_RKT, prepare: withApp },
  "Without a network": { needs: [...WITH_RKT, ...SIGNED], prepare: withApp },
  "Check the signature": { needs: [...WITH_RKT, ...SIGNED], prepare: withApp },
  "Sign for a release": { needs: SIGNED, prepare: withCopy },
  "Verify an image": { needs: [...SIGNED, ...WITH_GPG], prepare: withCopy },
  "Look before you run": { prepare: withPod },
  "Logs for Kubernetes": { needs: WITH_RKT, prepare: withServer },
  "Manual pages": { needs: WITH_MAN, prepare: () => Promise.resolve({}) },
  "Clean up": { needs: WITH_RKT, prepare: withApp },
};

/** The title of the page about pods that change while they run. */
const SESSION = "Pods that change while they run";

const SECTIONS = sectionsOf(read("operating"));

Deno.test("every section of the manual that has commands is run", () => {
  assertEquals(SECTIONS.map(({ heading }) => heading).sort(), Object.keys(SETTINGS).sort());
});

/**
 * Gives the commands a host of their own: what they write there is gone with the shell. In the end,
 * no pod may be left.
 */
function asScript(commands: readonly string[], dir: string): string {
  return [
    // A pod that outlived a command which has failed would hold the streams of this shell.
    "trap 'jobs -p | xargs -r kill' EXIT",
    `mount -t tmpfs host ${dir}; cd ${dir}`,
    "for top in etc opt var/lib var/log; do mkdir -p $top.new $top.work",
    "mount -t overlay -o lowerdir=/$top,upperdir=$top.new,workdir=$top.work overlay /$top; done",
    "mkdir -p /var/lib/rkt; mount -t tmpfs rkt /var/lib/rkt; mount -t tmpfs run /run",
    `mkdir bin; ln -s ${RKT ?? "/missing"} bin/rkt; export PATH=$PWD/bin:$PATH`,
    `export GNUPGHOME=$PWD/gnupg; mkdir -m 700 $GNUPGHOME; cd ${ROOT}`,
    ...commands,
    "wait; ! command -v rkt || rkt gc --grace-period=0s",
    // gpg has left an agent, which would look for its directory every minute.
    "! command -v gpgconf || gpgconf --kill all",
  ].join("\n");
}

/** Puts what is there in the place of words that stand for it. */
function fillIn(command: string, words: Readonly<Record<string, string>>): string {
  if (Object.keys(words).length === 0) return command;
  const any = Object.keys(words).sort((a, b) => b.length - a.length).join("|");
  return command.replaceAll(
    new RegExp(`(?<![\\w-])(?:${any})(?!\\w)`, "g"),
    (word) => words[word]!,
  );
}

const RUN: (Section & Setting)[] = [
  ...SECTIONS.map((section) => ({ ...section, ...SETTINGS[section.heading]! })),
  {
    heading: SESSION,
    commands: commandsIn(read("sandbox")),
    needs: WITH_RKT,
    prepare: withServer,
  },
];

for (const { heading, commands, needs = [], before, prepare } of RUN) {
  const name = `the commands of "${heading}" do what the manual says`;
  scenario(name, { needs, patience: 120_000 }, async (stage) => {
    const words = await prepare(stage);
    const host = `${stage.dir}/host`;
    await Deno.mkdir(host);
    const filled = commands.map((command) => fillIn(command, words));
    const script = asScript(before === undefined ? filled : [before, ...filled], host);
    const shell = ["unshare", "--mount", "--propagation", "private", "bash", "-ec", script];
    const { code, stderr } = await execute(shell);
    assertEquals(code, 0, stderr);
  });
}
