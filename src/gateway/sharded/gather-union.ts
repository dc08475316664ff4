import type { GatheredRows, ShardRows } from "./shard-rows.js";

/** All rows, one shard's after another's. */
export async function* gatherUnion(answers: readonly ShardRows[]): GatheredRows {
  for (const answer of answers) {
    for (let row = await answer.next(); row !== undefined; row = await answer.next()) yield row.bytes;
  }
}

/**
 * Rows that belong one each to things in a known order (the rows of an INSERT's VALUES): each from the shard named for it.
 * Where a shard has fewer than that, the order of the rest means nothing.
 * @param order for each row the shard that has it
 */
export async function* gatherInOrder(answers: readonly ShardRows[], order: readonly number[]): GatheredRows {
  const byShard = new Map(answers.map((answer) => [answer.shard, answer]));
  for (const shard of order) {
    const row = await byShard.get(shard)?.next();
    if (row !== undefined) yield row.bytes;
  }
  yield* gatherUnion(answers);
}
