import type { Database, Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { reversePipeline } from "../pipelines/reverse-pipeline.js";
import { displayAddress } from "../postgres/connection.js";
import type { TaskRow } from "../progress/task-journal.js";
import type { MigrationNames } from "./admin-command.js";

/** What a task streams, and what streams after its cutover. */
export interface TaskWays {
  readonly pipeline: Pipeline;
  /** Of the other direction. */
  readonly opposite: Pipeline;
  /** The first is made from the second: it leads back to where the migration began. */
  readonly back: boolean;
}

/** As the journal keeps them: the names that the databases have in the migration's name, which no cutover changes. */
export interface StoredWays {
  readonly from: string;
  readonly to: string;
  readonly back: boolean;
}

/** The pipeline of a migration, out of the configuration in force; fails with what is wrong there. */
export type PipelineFor = (names: MigrationNames & { readonly slot: string | undefined }) => Pipeline;

/** Of a migration that begins. */
export function waysOf(pipeline: Pipeline): TaskWays {
  return { pipeline, opposite: reversePipeline(pipeline), back: false };
}

/** After a cutover. */
export function turned({ pipeline, opposite, back }: TaskWays): TaskWays {
  return { pipeline: opposite, opposite: pipeline, back: !back };
}

export function storedWays({ pipeline, back }: TaskWays): StoredWays {
  return { from: pipeline.from.name, to: pipeline.to.name, back };
}

/**
 * The ways of a task that was journaled. A cutover swaps the names under which databases are reached: the servers tell
 * which databases the task is about.
 *
 * @param destination the database in whose journal it was
 * @param databases as they are called now
 */
export function restoredWays(row: Pick<TaskRow, "sourceServer" | "publication" | "slot">, { from, to, back }: StoredWays, destination: Database, databases: readonly Database[], pipelineFor: PipelineFor): TaskWays {
  const source = databases.find((database) => displayAddress(database.shards[0]!.primary) === row.sourceServer);
  if (source === undefined) {
    throw new ReshardError("TASK_SOURCE_GONE", `The task's source was on ${row.sourceServer}, where no database of the configuration has its first shard now.`, {
      remedy: "Give [[databases]] the shards it began with, and RELOAD; or give the same command again.",
    });
  }
  const { publication, slot } = row;
  if (!back) return waysOf(renamed(pipelineFor({ source: source.name, destination: destination.name, publication, slot }), from, to));
  return turned(waysOf(renamed(pipelineFor({ source: destination.name, destination: source.name, publication, slot }), to, from)));
}

function renamed(pipeline: Pipeline, source: string, destination: string): Pipeline {
  return { ...pipeline, from: { ...pipeline.from, name: source }, to: { ...pipeline.to, name: destination } };
}
