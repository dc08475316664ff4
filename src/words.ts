/** As many of a list's items as a message names. */
const LISTED = 10;

/** `a, b, c`; of many the first only, `and 5 more`. */
export function listed(items: readonly string[], separator = ", ", most = LISTED): string {
  return `${items.slice(0, most).join(separator)}${items.length > most ? ` and ${items.length - most} more` : ""}`;
}

/** `1,234,567`, the same in every locale. */
export function formatCount(count: number): string {
  return Math.round(count).toString().replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 table`, `2 tables`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
