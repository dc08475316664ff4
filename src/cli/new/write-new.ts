import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { ReshardError } from "../../errors.js";

/**
 * Writes a file that was not there.
 *
 * @throws ReshardError FILE_EXISTS or FILE_NOT_WRITTEN
 */
export async function writeNew(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { flag: "wx" });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "EEXIST") throw new ReshardError("FILE_EXISTS", `${path} is there already, and is left as it is.`, { remedy: "Give another name, or move the file away." });
    throw new ReshardError("FILE_NOT_WRITTEN", `${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}.`, { remedy: "Give a path that you may write to.", cause });
  }
}
