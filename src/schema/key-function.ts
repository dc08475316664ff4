/*
 * Keys that belong to the shard that makes them: a default that draws from its sequence until the hash of the number
 * is the shard's. It lives in the schema `reshard` of each shard, beside the progress, and outlives that.
 */

/** The body of `reshard.next_key`, as `pg_proc.prosrc` has it. */
export const KEY_FUNCTION_BODY = `
DECLARE
  key bigint;
BEGIN
  -- One number in "shards" fits. That none of so many does means that the sequence goes round in a few numbers.
  FOR attempt IN 1 .. 1000 * shards LOOP
    key := nextval(sequence);
    IF satisfies_hash_partition('reshard.hashed_bigint'::regclass, shards, shard, key) THEN
      RETURN key;
    END IF;
  END LOOP;
  RAISE EXCEPTION 'no number of sequence % belongs to shard % of %', sequence, shard, shards USING ERRCODE = 'sequence_generator_limit_exceeded';
END
`;

/**
 * What the default needs, in order. SECURITY DEFINER: whoever may insert into a table gets its keys without privileges
 * on the sequence, as with an identity column. Nobody is granted USAGE on the schema, so it is called by defaults only.
 */
export const KEY_FUNCTION_STATEMENTS: readonly { readonly kind: string; readonly name: string; readonly sql: string; readonly reason: string }[] = [
  { kind: "schema", name: "", sql: "CREATE SCHEMA IF NOT EXISTS reshard", reason: "the function for keys lives in it" },
  {
    kind: "table",
    name: "hashed_bigint",
    sql: "CREATE TABLE IF NOT EXISTS reshard.hashed_bigint (key bigint NOT NULL) PARTITION BY HASH (key)",
    reason: "satisfies_hash_partition reads its partition key; it holds no rows",
  },
  {
    kind: "function",
    name: "next_key",
    sql: `CREATE OR REPLACE FUNCTION reshard.next_key(sequence regclass, shards integer, shard integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$${KEY_FUNCTION_BODY}$function$`,
    reason: "draws from a sequence until the number's hash is this shard's",
  },
  { kind: "grant", name: "next_key", sql: "GRANT EXECUTE ON FUNCTION reshard.next_key(regclass, integer, integer) TO PUBLIC", reason: "defaults are evaluated as who inserts" },
];

/**
 * The default of a sharding key, as `pg_get_expr` prints it.
 * @param sequence `regclass` as text
 */
export function keyDefault(sequence: string, shards: number, shard: number): string {
  return `reshard.next_key(${regclass(sequence)}, ${shards}, ${shard})`;
}

/** The default that draws once, as `pg_get_expr` prints it. */
export function plainDefault(sequence: string): string {
  return `nextval(${regclass(sequence)})`;
}

/** Whether a default is that of a sharding key, for whatever shards. */
export function isKeyDefault(expression: string, sequence: string): boolean {
  return expression.startsWith(`reshard.next_key(${regclass(sequence)},`);
}

/** Whether a default draws once and does nothing else, but for a cast to the column's type. */
export function isPlainDefault(expression: string, sequence: string): boolean {
  const plain = plainDefault(sequence);
  return expression === plain || /^\)::[\w ".]+$/.test(expression.startsWith(`(${plain}`) ? expression.slice(plain.length + 1) : "");
}

/** As simple_quote_literal (utils/adt/ruleutils.c) has it under standard_conforming_strings: never E''. */
function regclass(sequence: string): string {
  return `'${sequence.replaceAll("'", "''")}'::regclass`;
}

const KEY_DEFAULT = /\breshard\.next_key\(('(?:[^']|'')*'::regclass), \d+, \d+\)/g;

/**
 * A dump whose sharding keys draw from their sequences plainly again: of a shard that is a source now. The function and
 * the shard that it names are not carried.
 */
export function withPlainDefaults(dump: string): string {
  return dump.replaceAll(KEY_DEFAULT, "nextval($1)");
}
