import { styleText } from "node:util";

/** Colors for a few words; painted text must have been fitted before. */
export interface Paint {
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

export function paintWith(colors: boolean): Paint {
  if (!colors) return PLAIN;
  return {
    dim: (text) => styleText("dim", text),
    good: (text) => styleText("green", text),
    bad: (text) => styleText("red", text),
  };
}

const PLAIN: Paint = { dim: same, good: same, bad: same };

function same(text: string): string {
  return text;
}
