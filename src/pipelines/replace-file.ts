import { chown, open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";

/** Puts a text in place of a file's, at once and for good: whoever reads it, also after a crash, finds the old one or the new one, whole. Mode and owner stay. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const { mode, uid, gid } = await stat(file);
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.tmp`);
  try {
    const handle = await open(temporary, "w", mode & 0o777);
    try {
      await handle.writeFile(text);
      await handle.chmod(mode & 0o777);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // Only root may give a file away; else it is ours already, or the operator's group rules apply.
    await chown(temporary, uid, gid).catch(() => undefined);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const directory = await open(path.dirname(file), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
