import { cutoverOf } from "./cutover.js";
import { ConfigurationError, quoted, type Place, type Problem } from "./configuration-error.js";
import { didYouMean } from "./did-you-mean.js";
import type { DatabaseRow, GeneralRow } from "./grammar.js";
import { databasesNamed, loginsOf } from "./logins.js";
import { placeOf, problemAt, textIn, type Row } from "./rows.js";
import type { Sections } from "./sections.js";
import { shardingRulesOf } from "./sharding-rules.js";
import { reportSharedServers, shardsOf } from "./shards.js";
import { isFree } from "./stages.js";
import type { Database, FlowPipeline, General, OperatorEntry, Pipeline, SequenceStrategy, Stage } from "./types.js";

/** A database's name and where somebody wrote it. */
export interface DatabaseReference {
  readonly name: string;
  readonly place: Place;
}

/** What is to be done, beside the sections; a part that was wrong is undefined and already reported. */
export interface Order {
  readonly from: DatabaseReference | undefined;
  readonly to: DatabaseReference | undefined;
  readonly publication: string | undefined;
  readonly allowPartialPublication: boolean;
  readonly onDdl: Pipeline["onDdl"];
  readonly sequences: SequenceStrategy;
  readonly slot: string | undefined;
  readonly stages: readonly Stage[];
  readonly operators: readonly OperatorEntry[];
}

/** The logical database of a name that stands somewhere; undefined where there is none or it is wrong, which is reported. */
export type DatabaseNamed = (name: string, place: Place) => Database | undefined;

/** Reports rules of databases that no entry defines, too. Tables of databases that nobody asks for are checked for themselves only. */
export function databasesOf(sections: Sections, problems: Problem[], notes: string[]): DatabaseNamed {
  const checkName = checkDatabaseNames(sections, problems);
  const known = new Map<string, Database>();
  return (name, place) => {
    if (!checkName(name, place)) return undefined;
    const database = known.get(name) ?? databaseOf(name, sections, problems, notes);
    known.set(name, database);
    return database;
  };
}

/**
 * The pipeline that sections and order describe. Databases `from` and `to` must also fit together.
 *
 * @param notes - what there is to tell so far.
 * @throws ConfigurationError with all of `problems`, those found before and those found here.
 */
export function assemblePipeline(sections: Sections, order: Order, databaseNamed: DatabaseNamed, problems: Problem[], notes: string[]): Pipeline {
  const build = ({ name, place }: DatabaseReference): Database | undefined => databaseNamed(name, place);
  const from = order.from === undefined ? undefined : build(order.from);
  const same = order.to !== undefined && order.from?.name === order.to.name;
  if (same) {
    problems.push(
      problemAt(
        order.to.place,
        "CONFLICT",
        `${quoted(order.to.name)} is both source and destination`,
        "two databases",
      ),
    );
  }
  const to = order.to === undefined || same ? undefined : build(order.to);
  const taking = new Set([order.from?.name, order.to?.name]);
  reportSharedServers(sections.databases.rows.filter((row) => taking.has(row.value.name)), problems);

  const cutover = cutoverOf(sections, [order.from?.name, order.to?.name], problems, notes);
  if (problems.length > 0 || from === undefined || to === undefined || order.publication === undefined) {
    throw new ConfigurationError(inOrder(problems));
  }
  return {
    from,
    to,
    publication: order.publication,
    allowPartialPublication: order.allowPartialPublication,
    onDdl: order.onDdl,
    sequences: order.sequences,
    slot: order.slot,
    stages: order.stages,
    operators: order.operators,
    general: generalOf(sections.general),
    cutover,
    pgDumpPath: sections.pgDumpPath,
    notes,
  };
}

/**
 * The pipeline of stages that move no database.
 *
 * @throws ConfigurationError with all of `problems`
 */
export function assembleFlow(sections: Sections, stages: readonly Stage[], problems: readonly Problem[], notes: readonly string[]): FlowPipeline {
  if (problems.length > 0) throw new ConfigurationError(inOrder(problems));
  return { from: undefined, stages: stages.filter(isFree), general: generalOf(sections.general), notes };
}

/** Reports rules and users of databases that no entry defines; answers with what checks, and reports, one more name. */
export function checkDatabaseNames(sections: Sections, problems: Problem[]): (name: string, place: Place) => boolean {
  const { broken } = sections.databases;
  const defined = new Set([
    ...sections.databases.rows.map((row) => row.value.name),
    ...broken.flatMap((raw) => textIn(raw, "name") ?? []),
  ]);
  const namesKnown = sections.complete && broken.every((raw) => textIn(raw, "name") !== undefined);

  const checkName = (name: string, place: Place): boolean => {
    if (defined.has(name)) return true;
    if (namesKnown) problems.push(unknownDatabase(name, place, defined));
    return false;
  };
  const rules: readonly Row<{ readonly database: string }>[] = [
    ...sections.shardedTables.rows,
    ...sections.shardedMappings.rows,
    ...sections.shardedSchemas.rows,
    ...sections.omnishardedTables.rows,
  ];
  for (const row of rules) checkName(row.value.database, placeOf(row, "database"));
  for (const row of sections.users.rows) {
    for (const { name, path } of databasesNamed(row.value)) checkName(name, placeOf(row, ...path));
  }
  return checkName;
}

/** One logical database, with the login of its schema administrator. */
export function databaseOf(name: string, sections: Sections, problems: Problem[], notes: string[]): Database {
  const entries: readonly Row<DatabaseRow>[] = sections.databases.rows.filter((row) => row.value.name === name);
  // An entry that could not be read may be the missing shard or primary; then neither is reported.
  const known = sections.complete && sections.databases.broken.every((raw) => (textIn(raw, "name") ?? name) !== name);
  const loginOf = loginsOf(name, entries, sections.users, sections.complete, problems);
  const shards = shardsOf(name, entries, loginOf, known ? problems : []);
  const count = known ? Math.max(...entries.map((entry) => entry.value.shard)) + 1 : undefined;
  return { name, shards, sharding: shardingRulesOf(name, count, sections, problems, notes) };
}

function unknownDatabase(name: string, place: Place, defined: ReadonlySet<string>): Problem {
  const suggestion = didYouMean(name, defined);
  const names = [...defined].sort().map(quoted);
  const one = names.length === 1 ? names.join("") : `one of ${names.join(", ")}`;
  const expected = names.length === 0 ? "a [[databases]] entry of that name" : one;
  return problemAt(place, "UNKNOWN_DATABASE", `no [[databases]] entry defines ${quoted(name)}`, expected, suggestion);
}

/** PgDog's defaults, but four tables at once instead of one. */
function generalOf(row: GeneralRow): General {
  return {
    reshardingParallelCopies: row.resharding_parallel_copies ?? 4,
    reshardingCopyFormat: row.resharding_copy_format ?? "binary",
    reshardingCopyRetryMaxAttempts: row.resharding_copy_retry_max_attempts ?? 5,
    reshardingCopyRetryMinDelay: row.resharding_copy_retry_min_delay ?? 1000,
    reshardingReplicationRetryMaxAttempts: row.resharding_replication_retry_max_attempts ?? 5,
    reshardingReplicationRetryMinDelay: row.resharding_replication_retry_min_delay ?? 1000,
    reshardingParallelIndexBuilds: row.resharding_parallel_index_builds ?? 2,
    reshardingMaintenanceWorkMem: row.resharding_maintenance_work_mem,
    integerPrimaryKeys: row.integer_primary_keys ?? "bigint",
  };
}

/** Problems file by file in the order they were met, each from top to bottom; what was found twice only once. */
export function inOrder(problems: readonly Problem[]): readonly Problem[] {
  const files = [...new Set(problems.map((problem) => problem.file))];
  const unique = new Map(problems.map((problem) => [JSON.stringify(problem), problem]));
  return [...unique.values()].sort(
    (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}
