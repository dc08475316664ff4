import type { TableName } from "../postgres/identifiers.js";

/** One object of a database, as plain text. */
export interface CatalogObject {
  /** For people: `table`, `column`, `foreign key` … */
  readonly kind: string;
  /** Empty for what lives outside schemas. */
  readonly schema: string;
  /** The table (view, domain, publication) that it is a part of. */
  readonly owner: string | undefined;
  readonly name: string;
  /** Arguments of a routine, operands of an operator. */
  readonly signature: string | undefined;
  /** Tables and views that a view reads. */
  readonly uses: readonly TableName[];
  /** The major version from which on catalogs list such objects. */
  readonly since: number;
  /** What can be compared. A property that is not set, or as by default, is absent. */
  readonly properties: Readonly<Record<string, string>>;
}

/** The objects of one database; extensions' members, system schemas and the schema `reshard` are left out. */
export interface Catalog {
  /** The server's major version. */
  readonly version: number;
  /** Roles of the server. */
  readonly roles: ReadonlySet<string>;
  readonly objects: ReadonlyMap<string, CatalogObject>;
}

/** Names an object within its database. */
export function catalogKey({ kind, schema, owner, name, signature }: Pick<CatalogObject, "kind" | "schema" | "owner" | "name" | "signature">): string {
  return JSON.stringify([kind, schema, owner ?? null, name, signature ?? null]);
}

/** For people: `public.orders`, `public.orders.id`, `orders_pkey on public.orders`, `public.f(integer)`. */
export function catalogName({ kind, schema, owner, name, signature }: CatalogObject): string {
  const dotted = (...parts: readonly string[]): string => parts.filter((part) => part !== "").map(plain).join(".");
  if (owner !== undefined) return kind === "column" ? dotted(schema, owner, name) : `${kind === "published table" ? name : plain(name)} on ${dotted(schema, owner)}`;
  return `${dotted(schema, name)}${signature === undefined ? "" : `(${signature})`}`;
}

/** Quoted only where a reader could stumble. */
function plain(name: string): string {
  return /^[\p{Ll}_][\p{Ll}\p{Nd}_$]*$/u.test(name) || /^[^\p{L}\p{N}\s"]+$/u.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
