import { displayName, qualifiedName, quoteIdentifier, quoteLiteral, type TableName } from "../postgres/identifiers.js";
import type { Sequence, SequenceColumn, SequenceGrant } from "../postgres/sequences.js";
import { lastNumber, type SequenceMove } from "./sequence-move.js";

/**
 * Moves a sequence. Whoever wants a number waits for its transaction, and the place is computed within it: numbers that
 * were drawn since the catalog was read are not handed out again.
 */
export function moveStatement(sequence: Sequence, move: SequenceMove): string {
  const name = qualifiedName(sequence);
  const bounds = [
    ...(sequence.minimum === move.minimum ? [] : [`MINVALUE ${move.minimum}`]),
    ...(sequence.maximum === move.maximum ? [] : [`MAXVALUE ${move.maximum}`]),
    ...(sequence.cycle === move.cycle ? [] : [move.cycle ? "CYCLE" : "NO CYCLE"]),
  ];
  const definition = `ALTER SEQUENCE ${name} ${[...bounds, `START WITH ${move.start}`].join(" ")}`;
  const lock = `  -- Nobody draws from it until the end of this transaction.\n  ALTER SEQUENCE ${name} INCREMENT BY ${move.increment};`;
  if (move.first === undefined) {
    return block(`BEGIN\n${lock}\n  PERFORM setval(${quoteLiteral(name)}, ${lastNumber(move)}, true);\n  ${definition};\nEND`);
  }
  return block(`DECLARE
  place numeric;
BEGIN
${lock}
  SELECT ${placeExpression(move, `last_value + is_called::integer * ${literal(sequence.increment)}`)} INTO place FROM ${name};
  EXECUTE ${quoteLiteral(`${definition} RESTART WITH `)} || place;
END`);
}

/** The first number at or past `next` that is `first` or strides away from it; exact, whatever the numbers are. */
function placeExpression({ first, stride, increment }: SequenceMove, next: string): string {
  const ascending = increment > 0n;
  if (stride === 1n) return `${ascending ? "greatest" : "least"}(${literal(first!)}, ${next})`;
  const beyond = ascending ? `${next} - ${literal(first!)}` : `${literal(first!)} - (${next})`;
  return `${literal(first!)} ${ascending ? "+" : "-"} ${stride} * greatest(0, div(${beyond} + ${stride - 1n}, ${stride}))`;
}

/** Numeric, for sums that may leave bigint. */
function literal(value: bigint): string {
  return value < 0n ? `(${value})::numeric` : `${value}::numeric`;
}

/**
 * An identity column becomes one with a default: an identity draws only once. Its sequence goes with the identity, and
 * is made again with all it had.
 */
export function replaceIdentityStatement(column: SequenceColumn, sequence: Sequence, move: SequenceMove, expression: string): string {
  const table = qualifiedName(column);
  const name = qualifiedName(sequence);
  const options = [
    `AS ${sequence.type}`, `INCREMENT BY ${move.increment}`, `MINVALUE ${move.minimum}`, `MAXVALUE ${move.maximum}`, `START WITH ${move.start}`, `CACHE ${sequence.cache}`,
    move.cycle ? "CYCLE" : "NO CYCLE",
  ];
  const lines = [
    `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`,
    `SELECT last_value, is_called INTO place FROM ${name}`,
    `ALTER TABLE ${table} ALTER COLUMN ${quoteIdentifier(column.column)} DROP IDENTITY`,
    `CREATE ${sequence.unlogged ? "UNLOGGED " : ""}SEQUENCE ${name} ${options.join(" ")}`,
    `ALTER SEQUENCE ${name} OWNER TO ${quoteIdentifier(column.owner)}`,
    `ALTER SEQUENCE ${name} OWNED BY ${table}.${quoteIdentifier(column.column)}`,
    `PERFORM setval(${quoteLiteral(name)}, place.last_value, place.is_called)`,
    ...sequence.grants.map((grant) => grantStatement(name, grant)),
    ...(sequence.comment === undefined ? [] : [`COMMENT ON SEQUENCE ${name} IS ${quoteLiteral(sequence.comment)}`]),
    ...[column, ...column.identityPartitions].map((each) => defaultStatement(each, column.column, expression)),
  ];
  return block(`DECLARE\n  place record;\nBEGIN\n${lines.map((line) => `  ${line};\n`).join("")}END`);
}

function grantStatement(sequence: string, { role, privilege, grantable }: SequenceGrant): string {
  return `GRANT ${privilege} ON SEQUENCE ${sequence} TO ${role === undefined ? "PUBLIC" : quoteIdentifier(role)}${grantable ? " WITH GRANT OPTION" : ""}`;
}

/** Of this table alone: partitions and children have defaults of their own. */
export function defaultStatement(table: TableName, column: string, expression: string): string {
  return `ALTER TABLE ONLY ${qualifiedName(table)} ALTER COLUMN ${quoteIdentifier(column)} SET DEFAULT ${expression}`;
}

/** For people: what the numbers of a shard are from now on. */
export function moveReason(sequence: Sequence, move: SequenceMove, sourceNext: bigint): string {
  if (move.first === undefined) return `nothing is left of ${displayName(sequence)}: it stands at its end, as on the source`;
  const where = `past ${sourceNext}, which the source would hand out next`;
  return move.stride === 1n ? where : `${where}; of ${move.stride} numbers in a row, one is this shard's`;
}

/** An anonymous block, in dollar quotes that do not occur in it. */
function block(body: string): string {
  let tag = "$reshard$";
  for (let number = 1; body.includes(tag); number++) tag = `$reshard${number}$`;
  return `DO ${tag}\n${body}\n${tag}`;
}
