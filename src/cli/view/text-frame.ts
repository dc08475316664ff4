import { isSecretKey } from "../../config/configuration-error.js";
import { didYouMean } from "../../config/did-you-mean.js";
import { displayWidth, printable, truncated } from "./fit.js";

/** Cells of a line that are shown. */
const WIDTH = 100;
/** Where a place is further right, what is before it is cut, but for so much. */
const BEFORE = 40;

/**
 * The line that a place is in, and a mark under the place; empty where the text has no such line, or where it is inside
 * of something secret. Values of keys that may hold a secret are not shown, of misspelt ones neither.
 *
 * ```
 *  12 | prot = 5432
 *     | ^^^^
 * ```
 *
 * @param line - 1-based, as `column`
 */
export function textFrame(text: string, line: number, column: number): readonly string[] {
  const lines = text.split(/\r?\n/u);
  const whole = lines[line - 1];
  if (whole === undefined || (!KEY.test(whole) && continuesSecret(lines, line - 1))) return [];
  const open = withoutSecrets(whole);
  const at = Math.min(column - 1, Math.max(open.length - 1, 0));
  const start = at > WIDTH - 20 ? at - BEFORE : 0;
  const shown = start === 0 ? open : `…${open.slice(start + 1)}`;
  const marked = TOKEN.exec(open.slice(at))?.[0] ?? "";
  const number = String(line).padStart(4);
  const before = printable(shown.slice(0, at - start)).replaceAll(/[\t\ufffd]/gu, " ");
  const space = Math.max(1, Math.min(displayWidth(printable(marked)), WIDTH - displayWidth(before)));
  return [`${number} | ${truncated(printable(shown.replaceAll("\t", " ")), WIDTH)}`, `${" ".repeat(number.length)} | ${" ".repeat(displayWidth(before))}${"^".repeat(space)}`];
}

/** A key, or a section's header, at the beginning of a line. */
const KEY = /^\s*(?:\[|["']?[\w.-]+["']?\s*=)/u;
/** What a mark is put under: a header, a string, a list, a word. */
const TOKEN = /^(?:\[\[?[\w.\s"'-]*\]?\]|"(?:[^"\\]|\\.)*"|'[^']*'|[\w.$-]+)/u;
const ASSIGNMENT = /(?<key>[\w-]+)["']?\s*=\s*/gu;

function withoutSecrets(line: string): string {
  for (const match of line.matchAll(ASSIGNMENT)) {
    if (isSecret(match.groups!["key"]!)) return `${line.slice(0, match.index + match[0].length)}…`;
  }
  return line.replaceAll(/:\/\/[^\s/"'@]*@/gu, "://…@");
}

/** Is the value that the line goes on with that of a secret key? */
function continuesSecret(lines: readonly string[], index: number): boolean {
  for (let above = index - 1; above >= 0; above--) {
    if (!KEY.test(lines[above]!)) continue;
    return [...lines[above]!.matchAll(ASSIGNMENT)].some((match) => isSecret(match.groups!["key"]!));
  }
  return false;
}

function isSecret(key: string): boolean {
  return isSecretKey(key) || didYouMean(key, ["password", "passwords", "server_password", "pgbouncer_password"]) !== undefined;
}
