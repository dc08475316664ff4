import { tokenAt } from "../../postgres/sql-tokens.js";

/** The numbers of a text's parameters. */
export function parametersIn(text: string): Set<number> {
  const numbers = new Set<number>();
  if (!text.includes("$")) return numbers;
  let dollar = false;
  for (let at = 0; at < text.length; ) {
    const { token, end } = tokenAt(text, at);
    if (dollar && /^\d/.test(token)) numbers.add(Number(token));
    dollar = token === "$";
    at = end;
  }
  return numbers;
}
