import { type TableName, tableId } from "../postgres/identifiers.js";
import { type Catalog, catalogKey, catalogName, type CatalogObject } from "./catalog.js";
import { sameDefinition } from "./same-definition.js";

/** One thing that the source and a shard do not have in common. */
export interface SchemaDifference {
  readonly kind: string;
  /** For people. */
  readonly name: string;
  /** `missing` on the shard, `extra` there, or the property that differs. */
  readonly what: string;
  readonly source: string | undefined;
  readonly shard: string | undefined;
  /** The source's object, or the shard's where it is extra. */
  readonly object: CatalogObject;
}

/**
 * What differs, in the catalogs' order. Parts of a table that is missing, or extra, are not listed beside it. What only
 * one of the two versions has a name for is not compared; definitions are compared as `sameDefinition` says, which needs
 * `loadParser`.
 */
export function diffCatalogs(source: Catalog, shard: Catalog): SchemaDifference[] {
  const version = Math.min(source.version, shard.version);
  const comparable = (catalog: Catalog): CatalogObject[] => [...catalog.objects.values()].filter(({ since }) => since <= version);
  const whole = { source: wholes(source), shard: wholes(shard) };
  const differences: SchemaDifference[] = [];
  const add = (object: CatalogObject, what: string, from: string | undefined, to: string | undefined): void => {
    differences.push({ kind: object.kind, name: catalogName(object), what, source: from, shard: to, object });
  };
  for (const object of comparable(source)) {
    const other = shard.objects.get(catalogKey(object));
    if (other === undefined) {
      if (object.owner === undefined || whole.shard.has(wholeId(object))) add(object, "missing", essence(object), undefined);
      continue;
    }
    for (const property of new Set([...Object.keys(object.properties), ...Object.keys(other.properties)])) {
      const [from, to] = [object.properties[property], other.properties[property]].map((value) => (property === "grants" ? grantsOf(value, version) : value));
      if (from === to || (from !== undefined && to !== undefined && sameDefinition(from, to, source.version === shard.version))) continue;
      add(object, property, from, to);
    }
  }
  for (const object of comparable(shard)) {
    if (source.objects.has(catalogKey(object))) continue;
    if (object.owner === undefined || whole.source.has(wholeId(object))) add(object, "extra", undefined, essence(object));
  }
  return differences;
}

/** What an object is, as far as one property says it. */
function essence({ properties }: CatalogObject): string | undefined {
  return properties["definition"] ?? properties["type"];
}

/** Objects that others can be parts of: relations, domains, publications. */
function wholes(catalog: Catalog): Set<string> {
  return new Set([...catalog.objects.values()].filter(({ owner }) => owner === undefined).map(({ schema, name }) => tableId({ schema, name })));
}

function wholeId({ schema, owner = "" }: CatalogObject): string {
  return tableId({ schema, name: owner } satisfies TableName);
}

/** The privilege MAINTAIN is of version 17. */
function grantsOf(grants: string | undefined, version: number): string | undefined {
  return version >= 17 ? grants : grants?.replaceAll(/, MAINTAIN\*?|MAINTAIN\*?, /g, "");
}
