import { readFileSync } from "node:fs";
import { swapNames } from "../config/swap-names.js";
import { replaceFile } from "../pipelines/replace-file.js";

/**
 * Rewrites configuration files with the names of two databases exchanged, each with a backup beside it (`pgdog.toml` →
 * `pgdog.bak.toml`). The routing file has the last word, so it does not matter where a crash interrupts this.
 *
 * @param one - the names as the files have them
 * @returns what a person should know: files that were left as they are, and why
 */
export function saveConfiguration(files: readonly string[], one: string, other: string): string[] {
  const notes: string[] = [];
  for (const file of files) {
    try {
      const text = readFileSync(file, "utf8");
      const swapped = swapNames(text, one, other);
      if (swapped === undefined) {
        notes.push(`${file} was left as it is: it takes names of databases from the environment. The routing file says who is in charge.`);
      } else if (swapped !== text) {
        replaceFile(backupOf(file), text, file);
        replaceFile(file, swapped);
      }
    } catch (error) {
      notes.push(`${file} was left as it is: ${error instanceof Error ? error.message : String(error)}. The routing file says who is in charge.`);
    }
  }
  return notes;
}

function backupOf(file: string): string {
  return file.replace(/(?:\.toml)?$/u, ".bak.toml");
}
