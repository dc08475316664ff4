/** Text as a terminal may show it: names of tables can hold anything, escape sequences too. Line breaks are kept if asked. */
export function printable(text: string, keepLines = false): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) => (keepLines && character === "\n" ? character : "�"));
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** East Asian Wide and Fullwidth blocks (Unicode TR 11), coarsely, and emoji. */
const WIDE = /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f000}-\u{1faff}\u{20000}-\u{3fffd}])/u;

function graphemeWidth(grapheme: string): number {
  return WIDE.test(grapheme) ? 2 : 1;
}

/** Cells that a text takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment);
  return width;
}

/** At most `width` cells; what is cut off is shown as `…`. */
export function truncated(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 0) return "";
  let kept = "";
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const next = graphemeWidth(segment);
    if (used + next > width - 1) break;
    kept += segment;
    used += next;
  }
  return `${kept}…`;
}

/** Exactly `width` cells, text on the left. */
export function left(text: string, width: number): string {
  const short = truncated(text, width);
  return short + " ".repeat(Math.max(0, width - displayWidth(short)));
}

/** Exactly `width` cells, text on the right; numbers are never cut, they make their line longer. */
export function right(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - displayWidth(text))) + text;
}
