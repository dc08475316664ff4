import { fileURLToPath } from "node:url";
import { errorsPage } from "./errors-page.js";

const SOURCE = fileURLToPath(new URL("../../src/", import.meta.url));

/** The pages of docs/ that are made from the source, by file name. */
export function generatedPages(): ReadonlyMap<string, string> {
  return new Map([["errors.md", errorsPage(SOURCE)]]);
}
