import { open, stat } from "node:fs/promises";
import path from "node:path";
import { ReshardError } from "../errors.js";

/** The size of a file, undefined where there is none. @throws ReshardError where it is something else than a file */
export async function checkRegular(file: string): Promise<number | undefined> {
  let found;
  try {
    found = await stat(file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  if (found.isFile()) return found.size;
  throw new ReshardError("OUTPUT_FAILED", `${file} is ${found.isDirectory() ? "a directory" : "no regular file"}.`, { place: { file }, remedy: 'Name a file; for standard output "-".' });
}

/** Makes a file's name last: that it was made or renamed. */
export async function syncDirectory(file: string): Promise<void> {
  const directory = await open(path.dirname(file), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
