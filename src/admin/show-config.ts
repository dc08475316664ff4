import { MASK, masked } from "../masked.js";
import type { Table } from "./answer.js";

/** Names of keys that hold secrets. Paths of key files are none. */
const SECRET_KEY = /(?:password|passwd|secret|token)s?$/i;
/** Too short to be looked for elsewhere: it would mask half of the text. */
const SHORTEST = 3;

/** SHOW CONFIG: `name` and `value` of everything that is set, sections and lists taken apart; secrets masked wherever they occur. */
export function showConfig(configuration: Readonly<Record<string, unknown>>): Table {
  const leaves: (readonly [path: string, value: unknown, secret: boolean])[] = [];
  collect(configuration, "", false, leaves);
  const secrets = [...new Set(leaves.filter(([, value, secret]) => secret && typeof value === "string" && value.length >= SHORTEST).map(([, value]) => value as string))].sort((a, b) => b.length - a.length);
  const rows = leaves.map(([path, value, secret]) => [path, secret ? MASK : masked(textOfLeaf(value), secrets)]);
  return { columns: [{ name: "name", type: "text" }, { name: "value", type: "text" }], rows };
}

function collect(value: unknown, path: string, secret: boolean, leaves: (readonly [string, unknown, boolean])[]): void {
  if (value === undefined || value === null) return;
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) collect(element, `${path}[${index}]`, secret, leaves);
  } else if (typeof value === "object" && !(value instanceof Date)) {
    for (const [key, element] of Object.entries(value)) collect(element, path === "" ? key : `${path}.${key}`, secret || SECRET_KEY.test(key), leaves);
  } else {
    leaves.push([path, value, secret]);
  }
}

function textOfLeaf(value: unknown): string {
  return value instanceof Date ? value.toISOString() : typeof value === "string" ? value : String(value);
}
