import type pg from "pg";
import type { Pipeline, ServerAddress } from "../config/types.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { hasProgressTables } from "../progress/progress-tables.js";
import { checkDistinctDatabases, type OpenDatabase } from "./distinct-databases.js";
import type { Report } from "./events.js";
import { migrationId } from "./migration.js";
import { checkDestinationEmpty, checkSource, type SourceFacts } from "./preflight.js";
import { Sessions } from "./sessions.js";
import { sourceSchemaPlan } from "./source-schema-plan.js";

export interface ServersCheck {
  /** Published tables; undefined where the source could not be asked. */
  readonly tables: number | undefined;
  /** What would stop a run, all of it, in the order in which it would be met. */
  readonly problems: readonly unknown[];
}

/**
 * Asks all servers what a run would ask before it makes anything, and dumps the source's schema; nothing is made or
 * changed anywhere. What would not stop a run, such as foreign keys that cannot hold on a shard, is reported as notes.
 */
export async function checkServers(pipeline: Pipeline, report: Report): Promise<ServersCheck> {
  for (const message of pipeline.notes) report({ type: "note", message });
  const sessions = new Sessions(migrationId(pipeline));
  const problems: unknown[] = [];
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      problems.push(error);
      return undefined;
    }
  };
  const open = async (address: ServerAddress, login: () => Promise<pg.Client>): Promise<OpenDatabase | undefined> => await attempt(async () => ({ address, client: await login() }));
  const sources: (OpenDatabase | undefined)[] = [];
  const shards: (OpenDatabase | undefined)[] = [];
  try {
    for (const { primary } of pipeline.from.shards) sources.push(await open(primary, () => sessions.source(primary, "monitor")));
    for (const { primary } of pipeline.to.shards) shards.push(await open(primary, () => sessions.destination(primary, "monitor")));
    const isOpen = (database: OpenDatabase | undefined): database is OpenDatabase => database !== undefined;
    await attempt(() => checkDistinctDatabases(sources.filter(isOpen), shards.filter(isOpen)));
    const facts: (SourceFacts | undefined)[] = [];
    for (const source of sources.filter(isOpen)) facts.push(await attempt(() => checkSource(source.client, pipeline, source.address)));
    const first = facts[0];
    if (first === undefined || sources[0] === undefined) return { tables: undefined, problems };
    for (const message of first.notes) report({ type: "note", message });
    for (const { client, address } of shards.filter(isOpen)) {
      await attempt(async () => {
        // Rows of a migration that has begun are its own.
        if (!(await hasProgressTables(client))) await checkDestinationEmpty(client, displayAddress(address), first.publication);
      });
    }
    await attempt(() => sourceSchemaPlan(pipeline, sessions, first.publication.tables, report));
    return { tables: first.publication.tables.length, problems };
  } finally {
    await Promise.all([...sources, ...shards].map((database) => endQuietly(database?.client)));
  }
}
