/** What the comparison of one table found. */
export interface TableVerdict {
  readonly table: string;
  /** "omnisharded", "key user_id", "shard 1". */
  readonly sharding: string;
  readonly sourceRows: number;
  /** Rows on each shard. */
  readonly shardRows: readonly number[];
  /** Additive checksums agree: summed over the shards, or on each of them where the table is omnisharded. */
  readonly equal: boolean;
  /** Rows that lie on a shard where they do not belong. */
  readonly misplaced: number;
}

/** Nothing missing, nothing doubled, nothing changed, everything in its place. */
export function isSound(verdict: TableVerdict): boolean {
  return verdict.equal && verdict.misplaced === 0;
}
