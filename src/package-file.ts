import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** Not from what was built of them: what is loaded at run time has to be of the same kind. */
export const runsFromSources = import.meta.url.endsWith(".ts");

/** The nearest folder above with a manifest: this code may be in any file of `dist`. */
const ROOT = rootAbove(import.meta.dirname);

/**
 * A file of this package, whether or not it is there.
 *
 * @param path from the package's folder, with slashes
 */
export function packageFile(path: string): URL {
  return new URL(path, ROOT);
}

function rootAbove(folder: string): URL {
  return existsSync(join(folder, "package.json")) ? pathToFileURL(`${folder}/`) : rootAbove(dirname(folder));
}
