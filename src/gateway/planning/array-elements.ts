/**
 * The elements of a one-dimensional array, null for NULL.
 *
 * Text form: `{1,NULL,"a \"b\""}` (array_in, utils/adt/arrayfuncs.c). Undefined for other shapes (more dimensions,
 * explicit bounds): those are not told apart here.
 */
export function elementsOfText(text: string): (string | null)[] | undefined {
  // Blanks are array_isspace's: those of ASCII.
  const body = /^[ \t\n\v\f\r]*\{([^]*)\}[ \t\n\v\f\r]*$/.exec(text)?.[1];
  if (body === undefined) return undefined;
  const elements: (string | null)[] = [];
  if (/^[ \t\n\v\f\r]*$/.test(body)) return elements;
  const element = /[ \t\n\v\f\r]*(?:"((?:[^"\\]|\\[^])*)"|((?:[^ \t\n\v\f\r",{}\\]|\\[^])(?:[^",{}\\]|\\[^])*?))[ \t\n\v\f\r]*(,|$)/y;
  for (;;) {
    const match = element.exec(body);
    if (match === null) return undefined;
    const [, quoted, plain, separator] = match;
    if (quoted !== undefined) elements.push(unescaped(quoted));
    else elements.push(plain!.toUpperCase() === "NULL" ? null : unescaped(plain!));
    if (separator === "") return elements;
    if (element.lastIndex >= body.length) return undefined;
  }
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([^])/g, "$1");
}

/** Binary form (array_send): dimensions, a flag for NULLs, the elements' type, bounds, then each element's length and bytes. */
export function elementsOfBinary(bytes: Buffer): { readonly typeOid: number; readonly elements: readonly (Buffer | null)[] } | undefined {
  if (bytes.length < 12) return undefined;
  const dimensions = bytes.readInt32BE(0);
  const typeOid = bytes.readUInt32BE(8);
  if (dimensions === 0) return { typeOid, elements: [] };
  if (dimensions !== 1 || bytes.length < 20) return undefined;
  const count = bytes.readInt32BE(12);
  const elements: (Buffer | null)[] = [];
  let at = 20;
  for (let index = 0; index < count; index++) {
    if (at + 4 > bytes.length) return undefined;
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0) {
      elements.push(null);
      continue;
    }
    if (at + length > bytes.length) return undefined;
    elements.push(bytes.subarray(at, at + length));
    at += length;
  }
  return at === bytes.length ? { typeOid, elements } : undefined;
}
