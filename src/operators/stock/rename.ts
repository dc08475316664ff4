import { map } from "rxjs";
import { z } from "zod";
import { displayName } from "../../postgres/identifiers.js";
import type { TableBatch, TableShape } from "../../table-batch.js";
import { OperatorOptionError } from "../operator-option-error.js";
import { defineOperator } from "../table-operator.js";
import { nameOption } from "./option-schemas.js";

const options = z.strictObject({
  schema: nameOption("a schema's name").optional().describe("The schema where the table is on the destination."),
  table: nameOption("a table's name").optional().describe("The table's name on the destination. Name the one table that is meant with tables."),
  columns: z.record(nameOption("a column's name"), nameOption("a column's new name"), { error: "a table of columns and their new names, such as { mail = \"email\" }" }).default({}).describe("By column: its name on the destination."),
}).refine(({ schema, table, columns }) => schema !== undefined || table !== undefined || Object.keys(columns).length > 0, { error: "schema, table or columns" });

/**
 * Gives a table or its columns other names where its rows go.
 *
 * In a migration make the tables on the shards beforehand, under their new names and with their keys, and leave the
 * `schema_sync` stages out, which would make them under the source's. Sharding rules name what the shards have; `tables` of
 * operators, `status` and `verify` name the source's tables.
 *
 * ```
 * table = "people", columns = { mail = "email" }
 * in   users  [id 1, mail 'a@b.c']
 * out  people [id 1, email 'a@b.c']
 * ```
 *
 * @example
 * ```toml
 * [operators.people]
 * type = "rename"
 * tables = ["public.users"]
 * table = "people"
 * columns = { mail = "email" }
 * ```
 */
export const renameOperator = defineOperator({
  name: "rename",
  options,
  columns: ({ columns }) => Object.keys(columns),
  create({ schema, table: name, columns }, { table }) {
    const renamed: TableShape = {
      schema: schema ?? table.schema,
      name: name ?? table.name,
      columns: table.columns.map((column) => (Object.hasOwn(columns, column.name) ? { ...column, name: columns[column.name]! } : column)),
    };
    if (renamed.schema === table.schema && renamed.name === table.name && renamed.columns.every((column, place) => column.name === table.columns[place]!.name)) return undefined;
    const twice = renamed.columns.findIndex((column, place) => renamed.columns.some((other, before) => before < place && other.name === column.name));
    if (twice >= 0) {
      const { name: both } = renamed.columns[twice]!;
      const [former] = Object.entries(columns).find(([, to]) => to === both)!;
      throw new OperatorOptionError(`${displayName(table)} would have two columns "${both}".`, { option: ["columns", former] }, "Give the column a name that no other has, or rename the other one too.");
    }
    return { table: renamed, writes: [], drops: false, operator: map((batch: TableBatch) => batch.reshape(renamed)) };
  },
});
