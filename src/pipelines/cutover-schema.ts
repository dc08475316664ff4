import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";
import { readSequenceColumns, readSequences, type Sequence } from "../postgres/sequences.js";
import { grownKeyNotes, grownKeys } from "../schema/grown-keys.js";
import { planSequences, type SequencesPlan, type ShardSequences } from "../schema/plan-sequences.js";
import { narrowColumns } from "./narrow-columns.js";
import { runOnShards, type ShardsContext, type ShardsReport } from "./run-on-shards.js";

export interface CutoverOptions {
  /** Go on after a refused statement; each is reported as a note. */
  readonly ignoreErrors?: boolean;
  /** In steps of the sequences; default `SEQUENCE_MARGIN`. */
  readonly margin?: bigint;
}

/**
 * The cutover phase of the schema, on all shards in parallel: sequences past the source's, shared as
 * `pipeline.sequences` says, and sharding keys that belong to the shard that makes them. Needs no journal and no slot.
 * What is as it should be is left alone, so it can be run again, and also while applications draw from the shards'
 * sequences; and before the cutover, so that less is left to do in it.
 *
 * Foreign keys that are NOT VALID are validated by `validateForeignKeys`, which may take long.
 */
export async function cutoverSchema(context: ShardsContext, { ignoreErrors = false, margin }: CutoverOptions = {}): Promise<ShardsReport> {
  return await runOnShards(context, { phase: "cutover", ignoreErrors, plan: () => cutoverPlan(context, margin) });
}

/**
 * What `cutoverSchema` would do now, and which keys the source will be too small for then: once they are there, there is
 * no way back. Only reads.
 */
export async function cutoverPlan({ pipeline, sessions, shards }: Pick<ShardsContext, "pipeline" | "sessions" | "shards">, margin?: bigint): Promise<SequencesPlan> {
  const [sources, facts] = await Promise.all([
    Promise.all(pipeline.from.shards.map(({ primary }) => sessions.kept.use(primary, "monitor", readSequences))),
    Promise.all(shards.map((shard) => sessions.kept.use(shard, "journal", readShardSequences))),
  ]);
  checkSequencesThere(sources, facts, shards);
  const plan = planSequences({ sources, shards: facts, sharding: pipeline.to.sharding, strategy: pipeline.sequences, ...(margin === undefined ? {} : { margin }) });
  const { beyond, soon } = grownKeys(await narrowColumns({ pipeline, sessions, shards }, plan.shards.map(({ moves }) => moves)));
  return { ...plan, notes: [...plan.notes, ...grownKeyNotes({ beyond, soon, unseen: [] })] };
}

/** Fails where a shard has no sequence at all of the source's: its schema has not been made. */
function checkSequencesThere(sources: readonly (readonly Sequence[])[], facts: readonly ShardSequences[], shards: readonly ServerAddress[]): void {
  const empty = facts.findIndex(({ sequences }) => sequences.length === 0);
  if (empty < 0 || sources.every((sequences) => sequences.length === 0)) return;
  const server = displayAddress(shards[empty]!);
  throw new ReshardError("SCHEMA_MISSING", `${server} has none of the source's sequences.`, { place: { server }, remedy: "Make the schema first: pg-reshard schema-sync, without --cutover." });
}

/** What the cutover needs to know of a shard's sequences. */
export async function readShardSequences(client: pg.Client): Promise<ShardSequences> {
  const sequences = await readSequences(client);
  const columns = await readSequenceColumns(client);
  const { rows } = await client.query<{ prosrc: string }>("SELECT prosrc FROM pg_proc WHERE proname = 'next_key' AND pronamespace = to_regnamespace('reshard')");
  return { sequences, columns, keyFunction: rows[0]?.prosrc };
}
