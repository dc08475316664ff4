import { chownSync, closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, type Stats, statSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * Puts a text in place of a file's, at once and for good: whoever reads it, also after a crash, finds the old one or the
 * new one, whole; and the new one once this has returned. Blocks for as long as the disk takes.
 *
 * Mode and owner stay, or are those of `like`; a file that was not there is for its owner alone.
 */
export function replaceFile(file: string, text: string, like = file): void {
  const model = statSync(like, { throwIfNoEntry: false });
  const mode = (model?.mode ?? 0o600) & 0o777;
  const directory = path.dirname(file);
  const temporary = path.join(directory, `.${path.basename(file)}.${process.pid}.tmp`);
  try {
    const descriptor = openSync(temporary, "w", mode);
    try {
      writeFileSync(descriptor, text);
      // Whatever the umask is.
      fchmodSync(descriptor, mode);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (model !== undefined) give(temporary, model);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Only root may give a file away; else it is ours already, or the operator's group rules apply. */
function give(file: string, { uid, gid }: Stats): void {
  try {
    chownSync(file, uid, gid);
  } catch {
    // It stays ours.
  }
}
