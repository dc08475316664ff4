/** A mistake in an expression's text. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  readonly reason: string;
  /** Characters from its beginning, from 0. */
  readonly offset: number;

  constructor(reason: string, text: string, offset: number) {
    super(`${reason}\n${frame(text, offset)}`);
    this.reason = reason;
    this.offset = offset;
  }
}

/** The line of the text, and a mark under the character. */
function frame(text: string, offset: number): string {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const end = text.indexOf("\n", start);
  return `  ${text.slice(start, end < 0 ? undefined : end)}\n  ${" ".repeat(offset - start)}^`;
}
