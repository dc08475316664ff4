/** In a pattern's steps, beside bytes: `%` and `_`. */
const ANY = -1;
const ONE = -2;

/** True where the bytes of a text match. */
export type LikeMatcher = (buffer: Buffer, offset: number, length: number) => boolean;

/**
 * `LIKE`, as `MatchText` has it for UTF-8 (utils/adt/like_match.c), `\` being the escape character. Only the last `%` is
 * ever gone back to: at worst it takes the text's length times the pattern's.
 *
 * @param insensitive `ILIKE`: letters are compared in lower case
 */
export function likeMatcher(pattern: string, insensitive: boolean): LikeMatcher {
  const steps = stepsOf(insensitive ? lowerCase(pattern) : pattern);
  if (!insensitive) return (buffer, offset, length) => matches(buffer, offset, offset + length, steps);
  return (buffer, offset, length) => {
    const lower = Buffer.from(lowerCase(buffer.toString("utf8", offset, offset + length)), "utf8");
    return matches(lower, 0, lower.length, steps);
  };
}

/** Letter by letter: those that have no single lower-case letter stay. */
export function lowerCase(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  return Array.from(text, (letter) => {
    const lower = letter.toLowerCase();
    return Array.from(lower).length === 1 ? lower : letter;
  }).join("");
}

function stepsOf(pattern: string): Int16Array {
  const steps: number[] = [];
  let escaped = false;
  for (const character of pattern) {
    if (!escaped && character === "\\") escaped = true;
    else {
      if (!escaped && character === "%") steps.push(ANY);
      else if (!escaped && character === "_") steps.push(ONE);
      else steps.push(...Buffer.from(character, "utf8"));
      escaped = false;
    }
  }
  return Int16Array.from(steps);
}

function matches(buffer: Buffer, start: number, end: number, steps: Int16Array): boolean {
  let at = start;
  let step = 0;
  /** Behind the last `%`, and how far it has eaten. */
  let afterAny = -1;
  let eaten = 0;
  while (at < end) {
    const wanted = step < steps.length ? steps[step]! : undefined;
    if (wanted === ANY) {
      afterAny = ++step;
      eaten = at;
    } else if (wanted === ONE) {
      at += characterBytes(buffer[at]!);
      step++;
    } else if (wanted === buffer[at]) {
      at++;
      step++;
    } else if (afterAny >= 0) {
      eaten += characterBytes(buffer[eaten]!);
      at = eaten;
      step = afterAny;
    } else return false;
  }
  while (step < steps.length && steps[step] === ANY) step++;
  return step === steps.length;
}

/** Of a character in UTF-8, by its first byte. */
function characterBytes(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
