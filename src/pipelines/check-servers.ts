import type { Pipeline, ServerAddress } from "../config/types.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { readJournal } from "../progress/journal.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import { checkBookkeepingPrivilege } from "./bookkeeping-privilege.js";
import { checkStandby, copyAddresses, systemIdentifier } from "./copy-server.js";
import { checkDistinctDatabases, type OpenDatabase } from "./distinct-databases.js";
import type { Report } from "./events.js";
import { beginningOf, checkBegunAlike, migrationId, slotNames } from "./migration.js";
import { PipelineOperators } from "./pipeline-operators.js";
import { checkDestinationEmpty, checkSource, type SourceFacts } from "./preflight.js";
import { reading } from "./reading.js";
import { replicaRoleRefused, Sessions } from "./sessions.js";
import { checkSlotRoom } from "./slot-state.js";
import { checkSourcesAlike } from "./source-shard.js";
import { sourceSchemaPlan } from "./source-schema-plan.js";

export interface ServersCheck {
  /** Published tables; undefined where the source could not be asked. */
  readonly tables: number | undefined;
  /** What would stop a run, in the order in which it would be met. */
  readonly problems: readonly unknown[];
}

/** Answers with undefined where the work failed, which is noted as a problem. */
type Attempt = <T>(work: () => Promise<T> | T) => Promise<T | undefined>;

interface Source extends OpenDatabase {
  readonly number: number;
  readonly facts: SourceFacts;
}

/**
 * Asks all servers, standbys included, what a run asks before it makes anything, dumps and plans the source's schema, and
 * tries the sessions that write rows. All that fails is told, but for what depends on a server or an answer that is missing
 * because of another problem told. Only a run itself finds what the rows hold, what a shard's present tables are like, that a
 * statement of the schema fails, or that another process runs this migration.
 *
 * Nothing is made or changed, the migration's lock is not taken and nobody's session ended. What would not stop a run, such
 * as foreign keys that cannot hold on a shard, is reported as notes.
 */
export async function checkServers(pipeline: Pipeline, report: Report): Promise<ServersCheck> {
  for (const message of pipeline.notes) report({ type: "note", message });
  const sessions = new Sessions(migrationId(pipeline));
  const problems: unknown[] = [];
  const attempt: Attempt = async (work) => {
    try {
      return await work();
    } catch (error) {
      problems.push(error);
      return undefined;
    }
  };
  const opened: OpenDatabase[] = [];
  const open = async (address: ServerAddress, login: "source" | "destination"): Promise<OpenDatabase | undefined> => {
    const client = await attempt(() => sessions[login](address, "monitor"));
    if (client === undefined) return undefined;
    opened.push({ address, client });
    return { address, client };
  };
  try {
    const atSource = await inTurn(pipeline.from.shards, ({ primary }) => open(primary, "source"));
    const shards = await inTurn(pipeline.to.shards, ({ primary }) => open(primary, "destination"));
    await attempt(() => checkDistinctDatabases(atSource.filter(isThere), shards.filter(isThere)));
    const operators = await attempt(() => PipelineOperators.load(pipeline, report));
    const sources = (await inTurn(atSource, (database, number) => askSource(pipeline, database, number, operators, attempt))).filter(isThere);
    for (const [number, database] of atSource.entries()) if (database !== undefined) await askStandbys(pipeline, database, number, sessions, attempt);
    if (sources.length === pipeline.from.shards.length) await attempt(() => checkSourcesAlike(pipeline, sources));
    const first = sources.find(({ number }) => number === 0)?.facts;
    for (const message of first?.notes ?? []) report({ type: "note", message });
    await askBeginning(pipeline, sources, shards, attempt);
    const refused = await askWriters(pipeline, shards.filter(isThere), sessions, attempt);
    if (first === undefined) return { tables: undefined, problems };
    const plan = await attempt(() => sourceSchemaPlan(pipeline, sessions, first.publication.tables, report));
    // What the schema brings is not on the shards yet, but will be when the changes are streamed.
    if (plan !== undefined && bringsTriggers(pipeline, plan)) problems.push(...refused.map(replicaRoleRefused));
    return { tables: first.publication.tables.length, problems };
  } finally {
    await Promise.all([...opened.map(({ client }) => endQuietly(client)), sessions.kept.close()]);
  }
}

async function askSource(pipeline: Pipeline, database: OpenDatabase | undefined, number: number, operators: PipelineOperators | undefined, attempt: Attempt): Promise<Source | undefined> {
  if (database === undefined) return undefined;
  const facts = await attempt(() => checkSource(database.client, pipeline, database.address, operators && (number === 0 ? operators : { chainOf: operators.chainOf })));
  return facts && { ...database, number, facts };
}

async function askStandbys(pipeline: Pipeline, { client, address: primary }: OpenDatabase, number: number, sessions: Sessions, attempt: Attempt): Promise<void> {
  const standbys = copyAddresses(pipeline.from.shards[number]!).filter((address) => address !== primary);
  if (standbys.length === 0) return;
  const system = await attempt(() => systemIdentifier(client));
  if (system === undefined) return;
  for (const address of standbys) await attempt(() => reading(sessions.source(address, "monitor"), (standby) => checkStandby(standby, address, system)));
}

/** What a migration that has begun must find as it left it, and what one that has not must find for its beginning. */
async function askBeginning(pipeline: Pipeline, sources: readonly Source[], shards: readonly (OpenDatabase | undefined)[], attempt: Attempt): Promise<void> {
  const journal = shards[0] && (await attempt(() => readJournal(shards[0]!.client)));
  // It is not known whose rows and slots those are that are there.
  if (journal === undefined) return;
  const known = journal.find(({ id }) => id === migrationId(pipeline));
  const { filledElsewhere, compareOnly } = beginningOf(pipeline);
  if (known !== undefined) await attempt(() => { checkBegunAlike(known, pipeline); });
  else if (compareOnly === true) return;
  else if (filledElsewhere !== true) {
    const facts = sources[0]?.facts;
    for (const { client, address } of shards.filter(isThere)) if (facts !== undefined) await attempt(() => checkDestinationEmpty(client, displayAddress(address), facts.after.values()));
    const slots = slotNames(pipeline);
    for (const { client, address, number, facts } of sources) await attempt(() => checkSlotRoom(client, displayAddress(address), slots[number]!, facts.freeSlots));
  }
  for (const { client, address } of shards.filter(isThere)) await attempt(() => checkBookkeepingPrivilege(client, address, "the progress of the migration"));
}

/** Tries the sessions that write rows. Answers with the shards whose triggers and foreign keys would fire, were there any. */
async function askWriters({ stages }: Pipeline, shards: readonly OpenDatabase[], sessions: Sessions, attempt: Attempt): Promise<ServerAddress[]> {
  if (stages.every(({ type }) => type !== "copy" && type !== "replicate")) return [];
  const refused: ServerAddress[] = [];
  for (const { address } of shards) {
    await attempt(() => reading(sessions.writer(address, "monitor"), async (client) => {
      const { rows } = await client.query<{ role: string }>("SELECT current_setting('session_replication_role') AS role");
      if (rows[0]!.role !== "replica") refused.push(address);
    }));
  }
  return refused;
}

/** Rows are written after a stage that makes triggers or foreign keys. */
function bringsTriggers({ stages }: Pipeline, { statements }: SchemaPlan): boolean {
  const made = stages.findIndex((stage) => stage.type === "schema_sync" && stage.phase === "post");
  return made >= 0 && stages.slice(made).some(({ type }) => type === "replicate" || type === "copy") && statements.some(({ kind, phase }) => phase === "post" && (kind === "trigger" || kind === "foreign key"));
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** One after the other, so that problems come in order. */
async function inTurn<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const [index, item] of items.entries()) results.push(await work(item, index));
  return results;
}
