import type { ShardingRules } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { PublishedTable } from "../postgres/catalog.js";
import type { HiddenColumn } from "../postgres/hidden-columns.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import { routeOfTable } from "../sharding/route-of-table.js";

/**
 * Refuses tables whose rows could not be named or placed, all in one message: a column of the replica identity does not
 * come with changes, or what would be the sharding key does not come with the rows. Without this such a table would
 * seem to have no sharding key at all, and go to every shard.
 */
export function checkHiddenColumns(tables: readonly PublishedTable[], hidden: readonly HiddenColumn[], rules: ShardingRules, shards: number): void {
  const found = tables.flatMap((table) => {
    const own = hidden.filter((column) => tableId(column) === tableId(table));
    if (own.length === 0) return [];
    const columns = [...table.columns.map(({ name, baseType }) => ({ name, type: baseType })), ...own.map(({ column, baseType }) => ({ name: column, type: baseType }))];
    const route = routeOfTable({ ...table.root, columns }, rules, shards);
    return own.flatMap((column) => {
      const uses = [
        ...(!column.streamed && table.key.includes(column.column) ? ["of its replica identity"] : []),
        ...(route.kind === "key" && route.column === column.column ? ["its sharding key"] : []),
      ];
      return uses.length === 0 ? [] : [`${displayName(table)}.${column.column} (${uses.join(" and ")}; ${column.generated ? "a generated column" : "not in the publication's column list"})`];
    });
  });
  if (found.length === 0) return;
  throw new ReshardError("COLUMN_NOT_PUBLISHED", `Rows cannot be named or placed by columns that the source does not send: ${found.join(", ")}.`, {
    remedy: "Add the columns to the publication's column list; choose an identity without generated columns (ALTER TABLE … REPLICA IDENTITY USING INDEX …); shard the table by another column, or list it in [[omnisharded_tables]].",
  });
}
