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
    dim: (text) => styleText("dim", text, SETTLED),
    good: (text) => styleText("green", text, SETTLED),
    bad: (text) => styleText("red", text, SETTLED),
  };
}

/** Whether there are colors is settled; Node would look at standard output again. */
const SETTLED = { validateStream: false };

const PLAIN: Paint = { dim: same, good: same, bad: same };

function same(text: string): string {
  return text;
}
