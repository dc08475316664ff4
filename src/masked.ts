/** What is shown in place of a secret. */
export const MASK = "********";

/** `password = x`, and SQL's `PASSWORD 'x'`. */
const NAMED = /(\bpass(?:word|wd)\b["']?(?:\s*=\s*|\s+(?=')))(?:'(?:[^'\\]|\\.|'')*'|"[^"]*"|[^\s'";&]+)/gi;
/** `scheme://user:password@host`. */
const IN_ADDRESS = /(:\/\/[^\s:/@]*:)[^\s/@]+@/g;

/**
 * A text without secrets: those that are known, and what stands where a command, a connection string or a statement has
 * one.
 *
 * @param secrets the longest first
 */
export function masked(text: string, secrets: readonly string[] = []): string {
  const known = secrets.reduce((sum, secret) => sum.replaceAll(secret, MASK), text);
  return known.replaceAll(NAMED, `$1${MASK}`).replaceAll(IN_ADDRESS, `$1${MASK}@`);
}
