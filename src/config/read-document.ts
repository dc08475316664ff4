import { quoted, type Place, type Problem } from "./configuration-error.js";
import { problemAt } from "./rows.js";
import { tomlDocument, type TomlDocument } from "./toml-document.js";

/** Hands over a file's bytes, or throws as `fs.readFileSync` does. */
export type ReadFile = (path: string) => Uint8Array;

/** Is the file simply not there? */
export function isAbsent(path: string, readFile: ReadFile): boolean {
  try {
    readFile(path);
    return false;
  } catch (error) {
    return codeOf(error) === "ENOENT";
  }
}

/**
 * The document in a file, or undefined with the reason added to `problems`.
 *
 * @param named - where the file's name comes from: a key of another file, or a flag.
 */
export function readDocument(
  path: string,
  named: Place,
  readFile: ReadFile,
  problems: Problem[],
): TomlDocument | undefined {
  let bytes: Uint8Array;
  try {
    bytes = readFile(path);
  } catch (error) {
    problems.push(
      problemAt(
        named,
        "UNREADABLE_FILE",
        `cannot read ${quoted(path)}: ${reasonOf(error)}`,
        "a TOML file",
      ),
    );
    return undefined;
  }
  try {
    // Takes a byte order mark away, too.
    return tomlDocument(path, new TextDecoder("utf-8", { fatal: true }).decode(bytes), problems);
  } catch {
    problems.push(
      problemAt(
        named,
        "UNREADABLE_FILE",
        `cannot read ${quoted(path)}: it is not UTF-8 text`,
        "a TOML file",
      ),
    );
    return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a directory";
  if (code === "EACCES") return "permission denied";
  return code ?? "unknown error";
}
