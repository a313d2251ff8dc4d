import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Fd } from "../linux/fd.ts";
import { pathOf } from "../linux/path.ts";
import { statFd } from "../linux/stat.ts";
import { withRoot } from "./root_testing.ts";
import {
  type AppRoot,
  makeRootDirectory,
  openRootDirectory,
  openTarget,
  type TargetKind,
  writeIfMissing,
} from "./target.ts";

function own(root: Fd): AppRoot {
  const ownMounts = new Set([statFd(root).mountId]);
  return { fd: root, ownMounts, hostVolumes: new Set(), taken: new Map(), owner: undefined };
}

/** A target, the links that lead to it, and where in the root it ends up. */
const TARGETS: [string, Record<string, string>, string][] = [
  ["/a/b/c", {}, "/a/b/c"],
  ["a/b", {}, "/a/b"],
  ["/../../x", {}, "/x"],
  ["/link/x", { link: "/there" }, "/there/x"],
  ["/link/x", { link: "there" }, "/there/x"],
  ["/link/x", { link: "../../../../there" }, "/there/x"],
  ["/link", { link: "/one", one: "two/three" }, "/two/three"],
  ["/link/x", { link: "/proc/../there" }, "/there/x"],
];

for (const kind of ["directory", "file"] satisfies TargetKind[]) {
  for (const [target, links, expected] of TARGETS) {
    Deno.test(`a ${kind} target ${target} is made inside the root, with links ${JSON.stringify(links)}`, () => {
      withRoot(({ root, path }) => {
        for (const [name, to] of Object.entries(links)) Deno.symlinkSync(to, `${path}/${name}`);
        using fd = openTarget(own(root), target, kind);
        assertEquals(pathOf(fd), Deno.realPathSync(path) + expected);
        assertEquals(Deno.statSync(`${path}${expected}`).isDirectory, kind === "directory");
      });
    });
  }
}

Deno.test("a target that is there already is left as it is", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/data`, { mode: 0o700 });
    using _fd = openTarget(own(root), "/data", "directory");
    assertEquals(Deno.statSync(`${path}/data`).mode! & 0o777, 0o700);
  });
});

/** Mounts in which a directory is removed as soon as it has been made. */
class Removing extends Set<number> {
  #looks = 0;

  constructor(readonly path: string) {
    super();
  }

  /** Is asked before a directory is made, and whether it is to be given away. */
  override has(): boolean {
    if (this.#looks++ % 2 === 0) return true;
    Deno.removeSync(this.path);
    return false;
  }
}

Deno.test("a target that somebody removes again and again is an error at last", () => {
  withRoot(({ root, path }) => {
    const owner = { uid: 0, gid: 0 };
    const app = { ...own(root), ownMounts: new Removing(`${path}/data`), owner };
    const message = "/data: what is made there is removed again";
    assertThrows(() => openTarget(app, "/data", "directory"), Error, message);
  });
});

Deno.test("a target that somebody else makes at the same time is taken", () => {
  withRoot(({ root, path }) => {
    const ownMounts = new Set<number>();
    ownMounts.has = () => {
      Deno.mkdirSync(`${path}/data`);
      return true;
    };
    using fd = openTarget({ ...own(root), ownMounts }, "/data", "directory");
    assertEquals(pathOf(fd), `${Deno.realPathSync(path)}/data`);
  });
});

Deno.test("a target of as many names as a path can have is made at once", () => {
  withRoot(({ root, path }) => {
    const target = "/a".repeat(2000);
    const begin = performance.now();
    using fd = openTarget(own(root), target, "file");
    assertEquals(statFd(fd).kind, "file");
    // To look up the whole path for each directory takes minutes.
    assert(performance.now() - begin < 60_000);
    // Removing it takes one directory at a time: its path is as long as a path can be.
    for (let made = 0; made < 2000; made += 100) {
      const deep = `${path}${"/a".repeat(1900 - made)}`;
      Deno.removeSync(`${deep}/a`, { recursive: true });
    }
  });
});

Deno.test("where a path climbs, what it passes is made too", () => {
  withRoot(({ root, path }) => {
    using fd = openTarget(own(root), "/a/b/../c/d", "file");
    assertEquals(pathOf(fd), `${Deno.realPathSync(path)}/a/c/d`);
    assertEquals(Deno.statSync(`${path}/a/b`).isDirectory, true);
  });
});

Deno.test("made directories have mode 0755 whatever the umask", () => {
  withRoot(({ root, path }) => {
    const before = Deno.umask(0o077);
    try {
      using _fd = openTarget(own(root), "/a/b", "directory");
    } finally {
      Deno.umask(before);
    }
    assertEquals(Deno.statSync(`${path}/a`).mode! & 0o777, 0o755);
    assertEquals(Deno.statSync(`${path}/a/b`).mode! & 0o777, 0o755);
  });
});

Deno.test("a directory is not mounted over a file, nor the reverse", () => {
  withRoot(({ root, path }) => {
    Deno.writeTextFileSync(`${path}/file`, "");
    Deno.mkdirSync(`${path}/directory`);
    assertThrows(
      () => openTarget(own(root), "/file", "directory"),
      Error,
      "/file is not a directory",
    );
    assertThrows(
      () => openTarget(own(root), "/directory", "file"),
      Error,
      "/directory is a directory",
    );
  });
});

Deno.test("links that go round in circles are refused, dangling or not", () => {
  withRoot(({ root, path }) => {
    Deno.symlinkSync("loop", `${path}/loop`);
    Deno.symlinkSync("b/x", `${path}/a`);
    Deno.symlinkSync("a/x", `${path}/b`);
    assertThrows(() => openTarget(own(root), "/loop", "directory"), Error);
    assertThrows(() => openTarget(own(root), "/a", "directory"), Error);
  });
});

Deno.test("a path through a file is refused", () => {
  withRoot(({ root, path }) => {
    Deno.writeTextFileSync(`${path}/file`, "");
    assertThrows(() => openTarget(own(root), "/file/x", "directory"), Error, "ENOTDIR");
  });
});

Deno.test("writeIfMissing() writes once, and through links only inside", () => {
  withRoot(({ root, path, outside }) => {
    Deno.mkdirSync(`${path}/etc`);
    Deno.symlinkSync(`${outside}/hosts`, `${path}/etc/hosts`);
    writeIfMissing(own(root), "/etc/hosts", "first");
    writeIfMissing(own(root), "/etc/hosts", "second");
    assertEquals(Deno.readTextFileSync(`${path}${outside}/hosts`), "first");
  });
});

Deno.test("the root itself is no target, by whatever path", () => {
  withRoot(({ root, path }) => {
    Deno.symlinkSync("/", `${path}/link`);
    for (const target of ["/", "..", "/link", "/link/.."]) {
      assertThrows(
        () => openTarget(own(root), target, "directory"),
        Error,
        "the app's root itself",
      );
    }
  });
});

Deno.test("nothing is made in a mount that is not the pod's", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/there`);
    const foreign: AppRoot = {
      fd: root,
      ownMounts: new Set(),
      hostVolumes: new Set(),
      taken: new Map(),
      owner: undefined,
    };
    using _fd = openTarget(foreign, "/there", "directory");
    assertThrows(() => openTarget(foreign, "/new", "directory"), Error, "made on the host");
    assertThrows(() => writeIfMissing(foreign, "/new", ""), Error, "made on the host");
  });
});

Deno.test("of a volume of the host, volumes' targets alone are made, and given to nobody", () => {
  withRoot(({ root, path }) => {
    const hostVolumes = new Set([statFd(root).mountId]);
    const volume: AppRoot = {
      fd: root,
      ownMounts: new Set(),
      hostVolumes,
      taken: new Map(),
      owner: { uid: 5000, gid: 5001 },
    };
    using _fd = openTarget(volume, "/a/b", "directory", true);
    using _file = openTarget(volume, "/a/c", "file", true);
    assertThrows(() => openTarget(volume, "/new", "directory"), Error, "made on the host");
    assertThrows(() => writeIfMissing(volume, "/new", ""), Error, "made on the host");
    const owners = ["a", "a/b", "a/c"].map((name) => Deno.statSync(`${path}/${name}`).uid);
    assertEquals(owners, owners.map(() => Deno.uid()));
  });
});

Deno.test("what is made belongs to the root's owner, and what was there to whom it did", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/there`);
    const ofPod: AppRoot = { ...own(root), owner: { uid: 5000, gid: 5001 } };
    using _fd = openTarget(ofPod, "/there/made/target", "file");
    writeIfMissing(ofPod, "/there/text", "text");
    const owner = (name: string) => {
      const { uid, gid } = Deno.statSync(`${path}/${name}`);
      return [uid, gid];
    };
    const made = ["there/made", "there/made/target", "there/text"];
    assertEquals(made.map(owner), made.map(() => [5000, 5001]));
    assertEquals(owner("there"), [Deno.uid(), Deno.gid()]);
  });
});

Deno.test("makeRootDirectory() gives a new directory its mode, and leaves what is there", () => {
  withRoot(({ root, path }) => {
    Deno.symlinkSync("missing", `${path}/link`);
    Deno.mkdirSync(`${path}/there`, { mode: 0o700 });
    const owner = { uid: 5000, gid: 5001 };
    for (const name of ["/link", "/there", "/made"]) {
      makeRootDirectory({ ...own(root), owner }, name, 0o1777);
    }
    assertEquals(Deno.readLinkSync(`${path}/link`), "missing");
    assertEquals(Deno.statSync(`${path}/there`).mode! & 0o7777, 0o700);
    const { mode, uid, gid } = Deno.statSync(`${path}/made`);
    assertEquals([mode! & 0o7777, uid, gid], [0o1777, 5000, 5001]);
  });
});

Deno.test("a directory right in the root is made or found, and no link is followed to it", () => {
  withRoot(({ root, path }) => {
    Deno.mkdirSync(`${path}/sys`, { mode: 0o700 });
    Deno.symlinkSync("sys", `${path}/proc`);
    Deno.symlinkSync("missing", `${path}/dev`);
    Deno.writeTextFileSync(`${path}/file`, "");
    for (const target of ["/sys", "/made"]) {
      using fd = openRootDirectory(own(root), target);
      assertEquals(pathOf(fd), Deno.realPathSync(path) + target);
    }
    assertEquals(Deno.statSync(`${path}/sys`).mode! & 0o777, 0o700);
    for (const link of ["/proc", "/dev"]) {
      assertThrows(() => openRootDirectory(own(root), link), Error, "is a symbolic link");
    }
    assertThrows(() => openRootDirectory(own(root), "/file"), Error, "/file is not a directory");
  });
});
