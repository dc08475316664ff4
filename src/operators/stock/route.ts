import { z } from "zod";
import { displayName } from "../../postgres/identifiers.js";
import { OperatorOptionError } from "../operator-option-error.js";
import { defineOperator, type OperatorSharding } from "../table-operator.js";
import { nameOption, numberOption } from "./option-schemas.js";

const DATA_TYPES = ["bigint", "uuid", "varchar"] as const;
type DataType = (typeof DATA_TYPES)[number];
const HASHERS = ["postgres", "sha1"] as const;

const options = z.strictObject({
  column: nameOption("a column's name").optional().describe("The sharding key. A table without it keeps its rule."),
  data_type: z.enum(DATA_TYPES, { error: '"bigint", "uuid" or "varchar"' }).optional().describe("What the key is hashed as; by default what its type says."),
  hasher: z.enum(HASHERS, { error: '"postgres" or "sha1"' }).default("postgres").describe("The function that hashes the key."),
  shard: numberOption((value) => Number.isInteger(value) && value >= 0, "a shard's number, from 0").optional().describe("All rows go to this shard."),
  omnisharded: z.literal(true, { error: "true" }).optional().describe("All rows go to every shard."),
}).refine(({ column, shard, omnisharded }) => [column, shard, omnisharded].filter((given) => given !== undefined).length === 1, { error: "one of column, shard and omnisharded = true" });

/** What each type is hashed as. */
const HASHED_AS: Readonly<Record<string, DataType>> = { int2: "bigint", int4: "bigint", int8: "bigint", uuid: "uuid", text: "varchar", varchar: "varchar" };

/**
 * Gives tables another sharding rule than the destination's; the rows stay as they are.
 *
 * ```
 * column = "tenant_id"
 * in   [tenant 7][tenant 8][tenant 7]
 * out  [tenant 7][tenant 8][tenant 7]      to the shards of 7, 8 and 7
 * ```
 *
 * @example
 * ```toml
 * [operators.by_tenant]
 * type = "route"
 * column = "tenant_id"
 * ```
 */
export const routeOperator = defineOperator({
  name: "route",
  options,
  columns: ({ column }) => (column === undefined ? [] : [column]),
  create({ column: name, data_type: wanted, hasher, shard, omnisharded }, { table }) {
    const always = (sharding: OperatorSharding) => ({ writes: [], drops: false, sharding, operator: <T>(batches$: T): T => batches$ });
    if (omnisharded === true) return always({ kind: "omnisharded" });
    if (shard !== undefined) return always({ kind: "shard", shard });
    const column = table.columns.find((candidate) => candidate.name === name);
    if (column === undefined) return undefined;
    const dataType = HASHED_AS[column.type];
    if (dataType === undefined) throw new OperatorOptionError(`${displayName(table)}.${column.name} is ${column.type}, which cannot be a sharding key.`, { option: ["column"] }, "Name a column of smallint, integer, bigint, uuid, text or varchar.");
    if (wanted !== undefined && wanted !== dataType) throw new OperatorOptionError(`${displayName(table)}.${column.name} is ${column.type}, which is hashed as ${dataType}, not as ${wanted}.`, { option: ["data_type"] }, `Write data_type = "${dataType}", or leave it out.`);
    return always({ kind: "key", column: column.name, dataType, hasher });
  },
});
