/** OIDs of built-in types (catalog/pg_type.dat): the same on every server. */
export const TypeOid = {
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  json: 114,
  xml: 142,
  float4: 700,
  float8: 701,
  money: 790,
  macaddr: 829,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  numeric: 1700,
  uuid: 2950,
  pg_lsn: 3220,
  macaddr8: 774,
  jsonb: 3802,
  xid8: 5069,
} as const;

/** By the type's name. Undefined: not one that has the same OID on every server. */
export function typeOidOf(type: string): number | undefined {
  return (TypeOid as Readonly<Record<string, number>>)[type];
}
