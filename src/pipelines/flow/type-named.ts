/** SQL's names of types that the catalog (`pg_type.typname`) calls otherwise (gram.y). */
const CATALOG_NAMES: Readonly<Record<string, string>> = {
  smallint: "int2", int: "int4", integer: "int4", bigint: "int8", real: "float4", float: "float8", "double precision": "float8",
  decimal: "numeric", dec: "numeric", boolean: "bool", character: "bpchar", char: "bpchar", "character varying": "varchar",
  bit: "bit", "bit varying": "varbit", "timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp",
  "time with time zone": "timetz", "time without time zone": "time",
};

/** The catalog's name of a type as people write it: `character varying(20)` is `varchar`, `bigint[]` is `_int8`. */
export function typeNamed(text: string): string {
  const array = /(?:\[\d*\])+$/u.exec(text);
  if (array !== null) return `_${typeNamed(text.slice(0, array.index))}`;
  const plain = text.replaceAll(/\([^)]*\)/gu, " ").replaceAll(/\s+/gu, " ").trim().toLowerCase();
  return CATALOG_NAMES[plain] ?? plain;
}
