import { readFileSync, realpathSync } from "node:fs";
import { renameDatabases, usersLeftBehind } from "../config/rename-databases.js";
import { replaceFile } from "../pipelines/replace-file.js";
import { reasonOf } from "../postgres/server-errors.js";

/** Configuration files that are being rewritten with databases renamed: all of them, or none. */
export interface Saving {
  /** Old and new names. */
  readonly names: readonly (readonly [string, string])[];
  /** Those with something to rename; each has its backup. */
  readonly files: readonly string[];
}

const NOTHING_SAVED = "The configuration files were left as they are; the routing file says who is in charge";

/**
 * Makes ready to rewrite configuration files, each with a backup beside it (`pgdog.toml` → `pgdog.bak.toml`). Never fails.
 *
 * @param names - new names of databases by those that the files have
 * @returns what `finishSaving` does, also in the process after this one: it has to be noted before. Undefined where there is
 * nothing to do, or it cannot be done. And what a person should know.
 */
export function beginSaving(files: readonly string[], names: ReadonlyMap<string, string>): { readonly saving: Saving | undefined; readonly notes: string[] } {
  const notes: string[] = [];
  const changed: string[] = [];
  try {
    // Both may be one file, and a link leads to the one that is meant.
    for (const file of new Set(files.map((each) => realpathSync(each)))) {
      const text = readFileSync(file, "utf8");
      const renamed = renameDatabases(text, names);
      if (renamed === undefined) return { saving: undefined, notes: [`${NOTHING_SAVED}: ${file} takes names of databases from the environment.`] };
      if (renamed === text) continue;
      replaceFile(backupOf(file), text, file);
      changed.push(file);
      for (const { user, database } of usersLeftBehind(text, names)) {
        notes.push(`In ${file} the user "${user}" is for other servers' "${names.get(database) ?? database}" now, as the schema administrator of these: a gateway without the routing file lets it in to "${database}" where [[users]] has an entry for that, too.`);
      }
    }
  } catch (error) {
    return { saving: undefined, notes: [`${NOTHING_SAVED}: ${reasonOf(error)}.`] };
  }
  return { saving: changed.length === 0 ? undefined : { names: [...names], files: changed }, notes };
}

/**
 * Rewrites the files, as far as a process before this one has not. Never fails.
 *
 * @returns what a person should know
 */
export function finishSaving({ names, files }: Saving): string[] {
  const written: { readonly file: string; readonly former: string }[] = [];
  try {
    const texts = files.map((file) => {
      const former = readFileSync(backupOf(file), "utf8");
      return { file, former, text: readFileSync(file, "utf8"), renamed: renameDatabases(former, new Map(names)) ?? former };
    });
    const pending = texts.filter(({ text, renamed }) => text !== renamed);
    const edited = pending.filter(({ text, former }) => text !== former).map(({ file }) => file);
    // Whether it has the new names cannot be told; the others are not to differ from it more than they do.
    if (edited.length > 0) return [`${edited.join(" and ")} changed while databases were being renamed (${names.map(([from, to]) => `${from} to ${to}`).join(", ")}): look that ${files.join(" and ")} have the new names. The routing file says who is in charge.`];
    for (const { file, former, renamed } of pending) {
      replaceFile(file, renamed);
      written.push({ file, former });
    }
    return [];
  } catch (error) {
    const left = written.filter(({ file, former }) => !restored(file, former)).map(({ file }) => file);
    return [`${NOTHING_SAVED}${left.length === 0 ? "" : `, but ${left.join(" and ")}, which has its backup beside it`}: ${reasonOf(error)}.`];
  }
}

function restored(file: string, text: string): boolean {
  try {
    replaceFile(file, text);
    return true;
  } catch {
    return false;
  }
}

function backupOf(file: string): string {
  return file.replace(/(?:\.toml)?$/u, ".bak.toml");
}
