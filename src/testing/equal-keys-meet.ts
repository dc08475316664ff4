import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { arbitraryTestRow } from "./arbitrary-values.js";
import type { Move } from "./move.js";
import { playCopy } from "./play-copy.js";
import { arbitraryMove, behindOperators, type Property, type Subject } from "./subject.js";
import { bytesOf } from "./test-rows.js";
import type { TestColumn, TestTable } from "./test-table.js";

/**
 * Rows with the same sharding key are on the same shard, whichever of the tables they are in and whatever the column's
 * type: joins by it stay within a shard. For tables that belong together; operators have no part in it.
 */
export function equalKeysMeet(subject: Subject): Property {
  const about = behindOperators(subject);
  const drawn = fc.constantFrom(...about.tables).chain((table) => fc.tuple(fc.constant(table), arbitraryTestRow(table)));
  return fc.asyncProperty(arbitraryMove(about), drawn, drawn, ({ move, format }, [one, row], [other, draft]) => {
    const [from, to] = [keyPlace(move, one), keyPlace(move, other)];
    const key = row[from] ?? null;
    fc.pre(from >= 0 && to >= 0 && key !== null && fits(other.columns[to]!, key));
    const shardsOf = (table: TestTable, of: typeof row): number[] => playCopy(move, table, [of], { format }).shards.flatMap((rows, shard) => (rows.length > 0 ? [shard] : []));
    deepStrictEqual(shardsOf(other, draft.with(to, key)), shardsOf(one, row), `${other.name}.${other.columns[to]!.name} and ${one.name}.${one.columns[from]!.name} are ${key}`);
    return Promise.resolve();
  });
}

/** -1: not sharded by a key. */
function keyPlace(move: Move, table: TestTable): number {
  const route = move.routeOf(table);
  return route.kind === "key" ? table.columns.findIndex(({ name }) => name === route.column) : -1;
}

function fits(column: TestColumn, text: string): boolean {
  try {
    bytesOf(column, text, "binary");
    return true;
  } catch {
    return false;
  }
}
