import type { Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { OperatorChain } from "../operators/operator-chain.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import { TypeOid, typeOidOf } from "../postgres/type-oids.js";
import { makesSchema } from "./makes-schema.js";

/**
 * Whether a migration's stages can move a table through its operators.
 *
 * @throws ReshardError OPERATOR_RENAMES, OPERATOR_COLUMN_TYPE, OPERATOR_WRITES_KEY
 */
export function checkChain(table: PublishedTable, chain: OperatorChain, pipeline: Pick<Pipeline, "from" | "stages" | "onDdl">): void {
  const { input, output, operators } = chain;
  const place = { table: displayName(table) };
  const sourceShards = pipeline.from.shards.length;
  if (renames(chain)) {
    const obstacle = (why: string, remedy: string): ReshardError => new ReshardError("OPERATOR_RENAMES", `The operators rename ${displayName(table)} or its columns, and ${why}.`, { place, remedy });
    if (pipeline.stages.some(makesSchema)) throw obstacle("schema_sync makes tables under the source's names", "Make the tables on the shards under their new names, with their keys and indexes, and leave the schema_sync stages out.");
    if (pipeline.onDdl === "apply") throw obstacle('on_ddl = "apply" changes tables under the source\'s names', 'Say on_ddl = "stop".');
    if (sourceShards > 1) throw obstacle("the rows of several source shards are brought together under the source's names", "Rename on the shards after the migration; or move the rows from one source shard at a time.");
  }
  const unknown = output.columns.slice(input.columns.length).find(({ type }) => typeOidOf(type) === undefined);
  if (unknown !== undefined) {
    throw new ReshardError("OPERATOR_COLUMN_TYPE", `The operators add the column "${unknown.name}" of type ${unknown.type} to ${displayName(table)}.`, { place, remedy: `Give it one of these types: ${Object.keys(TypeOid).join(", ")}.` });
  }
  if (sourceShards === 1) return;
  const writer = operators.find(({ operator: { writes } }) => writes === undefined || table.key.some((column) => writes.includes(column)));
  if (writer === undefined) return;
  throw new ReshardError("OPERATOR_WRITES_KEY", `Operator "${writer.name}" may change the key of ${displayName(table)}, by which rows of several source shards are told apart.`, {
    place,
    remedy: "Declare the columns that it writes, if the key is not among them; else move the rows from one source shard at a time.",
  });
}

/**
 * Two tables that become one would count as one another's rows.
 *
 * @param after - by `tableId` of the source's table: as the shards have it
 * @throws ReshardError OPERATOR_RENAMES
 */
export function checkNamesAfter(tables: readonly PublishedTable[], after: ReadonlyMap<string, PublishedTable>): void {
  const names = new Map<string, PublishedTable>();
  for (const table of tables) {
    const becomes = after.get(tableId(table))!;
    const other = names.get(tableId(becomes));
    if (other !== undefined) {
      throw new ReshardError("OPERATOR_RENAMES", `${displayName(other)} and ${displayName(table)} would both be ${displayName(becomes)}.`, { place: { table: displayName(table) }, remedy: "Name the table that each rename is for (tables), and give each another name; or move them by flow stages." });
    }
    names.set(tableId(becomes), table);
  }
}

function renames({ input, output }: OperatorChain): boolean {
  return output.schema !== input.schema || output.name !== input.name || input.columns.some((column, index) => output.columns[index]?.name !== column.name);
}
