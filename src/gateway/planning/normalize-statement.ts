import { tokenAt } from "../../postgres/sql-tokens.js";

/** Stands for a constant until all of them are numbered. */
const CONSTANT = "\u0001";

/** Words that are the beginning of a string: B'…', X'…', N'…'. */
const PREFIXES = new Set(["B", "X", "N"]);

/**
 * A statement without what differs from call to call: constants become parameters, numbered behind its own; lists of them
 * and equal rows of VALUES become one; comments go, but for those that say a shard; white space is one blank.
 */
export function normalizeStatement(text: string): string {
  const parts: string[] = [];
  let [parameters, spaced] = [0, false];
  const add = (part: string): void => {
    parts.push((spaced && parts.length > 0 ? " " : "") + part);
    spaced = false;
  };
  for (let at = 0; at < text.length; ) {
    const { token, end, kind } = tokenAt(text, at);
    const whole = text.slice(at, end);
    const [before, after] = [parts.at(-1) ?? "", text[end]];
    at = end;
    if (kind !== "token") {
      spaced = true;
      const told = kind === "comment" ? /\bpgdog_(?:shard|sharding_key):/.exec(whole) : null;
      if (told !== null) add(`/* ${told[0]} … */`);
    } else if (/^[0-9]/.test(token)) {
      if (before === "$" || before === " $") {
        parameters = Math.max(parameters, Number(token));
        parts[parts.length - 1] = `${before}${token}`;
      } else {
        // 1.5, 1e5, 0x1f and 1_000 are several tokens.
        at = endOfNumber(text, end);
        if (before.endsWith(".") && !spaced) parts[parts.length - 1] = `${before.slice(0, -1)}${CONSTANT}`;
        else add(CONSTANT);
      }
    } else if (token.startsWith("'") || /^[eE]'/.test(token) || (token.startsWith("$") && token.length > 1)) add(CONSTANT);
    else if (PREFIXES.has(token.toUpperCase()) && after === "'") {
      at = tokenAt(text, at).end;
      add(CONSTANT);
    } else add(whole);
  }
  const joined = parts.join("").replace(/[\s;]+$/, "");
  let number = parameters;
  return collapsed(joined).replaceAll(CONSTANT, () => `$${++number}`);
}

function endOfNumber(text: string, from: number): number {
  const rest = /(?:[\w.]|(?<=[eE])[+-](?=\d))*/y;
  rest.lastIndex = from;
  // `1..10` is no number with two points.
  const match = rest.exec(text)?.[0] ?? "";
  const range = match.indexOf("..");
  return from + (range >= 0 ? range : match.length);
}

/** Several constants in a row are one and an ellipsis; so are equal rows. */
function collapsed(text: string): string {
  const value = `(?:${CONSTANT}|\\$\\d+)`;
  const lists = text.replaceAll(new RegExp(`(?<=[([] ?)(${value})(?: ?, ?${value}){1,}(?= ?[)\\]])`, "g"), "$1, …");
  return lists.replaceAll(/(\([^()]*\))(?: ?, ?\1)+/g, "$1, …");
}
