import type pg from "pg";
import { closing } from "../closing.js";
import type { ServerAddress } from "../config/types.js";
import { displayAddress } from "../postgres/connection.js";
import { qualifiedName, quoteIdentifier, type TableName } from "../postgres/identifiers.js";
import { isRetryable, reasonOf } from "../postgres/server-errors.js";
import { applySchema } from "../schema/apply-schema.js";
import { reportedStatement } from "../schema/reported-statement.js";
import { phaseStatements, type PlannedStatement } from "../schema/schema-plan.js";
import { reportNotes, type SchemaReport } from "../schema/schema-report.js";
import { withUnvalidatedForeignKeys } from "../schema/unvalidated-foreign-keys.js";
import { checkPresentSchema } from "./check-present-schema.js";
import { fencedWork } from "./fenced-work.js";
import { checkStopped } from "./interrupted.js";
import type { Migration } from "./migration.js";
import { SchemaReporter } from "./schema-reporter.js";
import { patienceOf, withRetries } from "./with-retries.js";

/** What a phase needs of a migration; `schema-sync` as a command has no more than that. */
export type SchemaContext = Pick<Migration, "pipeline" | "report" | "signal" | "shards" | "sessions" | "lock" | "schemaPlan">;

export type SchemaSyncPhase = "pre" | "key" | "post";

export interface SchemaSyncOptions {
  readonly phase: SchemaSyncPhase;
  readonly ignoreErrors?: boolean;
  /**
   * Phases of which what is on a shard already is compared with the source before anything is made; by default this one.
   * None where it may differ: the source has changed since, and the stream has not come to that yet.
   */
  readonly compared?: readonly SchemaSyncPhase[];
}

/**
 * Runs one phase of the source's schema on all shards; again after a failure it does what is missing. Stops between
 * two statements when the operator asks to.
 */
export async function syncSchema(context: SchemaContext, options: SchemaSyncOptions): Promise<SchemaReport> {
  const { pipeline, report, signal, shards } = context;
  const plan = withUnvalidatedForeignKeys(await context.schemaPlan());
  const statements = phaseStatements(plan, options.phase);
  const { compared = [options.phase] } = options;
  const reporter = new SchemaReporter({ phase: options.phase, shards, report, sessions: context.sessions });
  const result = await closing(reporter, () => withRetries({ ...patienceOf(context), what: `schema ${options.phase}` }, async () => {
    await context.lock.ensure();
    return await fencedWork(context, async () => {
      if (compared.length > 0) await checkPresentSchema(context, plan, compared, options.ignoreErrors === true);
      for (const shard of shards.keys()) reporter.planned(shard, statements);
      return await applySchema(plan, options.phase, shards, {
        session: (shard) => context.sessions.kept.open(shard, "schema"),
        keep: (client, shard) => { context.sessions.kept.keep(client, shard, "schema"); },
        concurrency: pipeline.general.reshardingParallelIndexBuilds,
        ...(options.ignoreErrors === undefined ? {} : { ignoreErrors: options.ignoreErrors }),
        onStatement(event) {
          if (event.state === "running") checkStopped(signal);
          reporter.onStatement(event);
        },
      });
    });
  }));
  for (const note of reportNotes(result)) report({ type: "note", message: note });
  return result;
}

/**
 * Runs phases one after the other. What is on the shards of all of them is compared with the source before the first: to
 * read a large schema takes seconds.
 */
export async function syncSchemaPhases(context: SchemaContext, { phases, ...options }: Omit<SchemaSyncOptions, "phase" | "compared"> & { readonly phases: readonly SchemaSyncPhase[] }): Promise<SchemaReport[]> {
  const reports: SchemaReport[] = [];
  for (const [place, phase] of phases.entries()) reports.push(await syncSchema(context, { ...options, phase, compared: place === 0 ? phases : [] }));
  return reports;
}

/**
 * Validates foreign keys that were added NOT VALID: while tables show different moments of the source they need not
 * hold; once the stream has passed all snapshots they do. One that does not is reported and left unvalidated.
 * @returns how many were validated, over all shards
 */
export async function validateForeignKeys(migration: Pick<Migration, "pipeline" | "report" | "signal" | "shards" | "sessions">): Promise<number> {
  const { shards, report, signal, sessions } = migration;
  const reporter = new SchemaReporter({ phase: "validate", shards, report, sessions });
  const refused = new Set<string>();
  let validated = 0;
  await closing(reporter, () => Promise.all(
    shards.map((shard, number) => withRetries({ ...patienceOf(migration), what: "validating foreign keys" }, () => validateOn(shard, number))),
  ));
  return validated;

  async function validateOn(shard: ServerAddress, number: number): Promise<void> {
    const id = (key: ForeignKeyName): string => JSON.stringify([number, key.schema, key.name, key.constraint]);
    const found = await sessions.kept.use(shard, "journal", unvalidatedForeignKeys);
    const keys = found.filter((key) => !refused.has(id(key))).map((key, position) => ({ key, statement: validation(key, position) }));
    if (keys.length === 0) return;
    await sessions.kept.useOnce(shard, "schema", async (client) => {
      reporter.planned(number, keys.map(({ statement }) => statement));
      for (const { key, statement } of keys) {
        checkStopped(signal);
        const run = async (): Promise<"ran"> => {
          await client.query(statement.sql);
          return "ran";
        };
        try {
          await reportedStatement(client, { shard, statement, run, onStatement: reporter.onStatement });
          validated++;
        } catch (error) {
          // A lost connection says nothing about the rows.
          if (isRetryable(error)) throw error;
          refused.add(id(key));
          report({ type: "note", message: `${displayAddress(shard)}: foreign key "${key.constraint}" of ${key.schema}.${key.name} does not hold on this shard and stays NOT VALID: ${reasonOf(error)}` });
        }
      }
    });
  }
}

/** A foreign key and the table that has it. */
export type ForeignKeyName = TableName & { readonly constraint: string };

/** The foreign keys of a shard that are NOT VALID. */
export async function unvalidatedForeignKeys(client: pg.Client): Promise<ForeignKeyName[]> {
  const { rows } = await client.query<ForeignKeyName>(
    `SELECT n.nspname AS schema, c.relname AS name, k.conname AS constraint
       FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE k.contype = 'f' AND NOT k.convalidated AND k.conparentid = 0 ORDER BY 1, 2, 3`,
  );
  return rows;
}

/** The statement that validates a foreign key. */
export function validation(key: ForeignKeyName, position: number): PlannedStatement {
  const table = { schema: key.schema, name: key.name };
  const sql = `ALTER TABLE ${qualifiedName(table)} VALIDATE CONSTRAINT ${quoteIdentifier(key.constraint)}`;
  return { position, sql, original: undefined, phase: "cutover", kind: "foreign key", reason: "was added NOT VALID while rows arrived", object: { schema: key.schema, name: key.constraint }, table, roles: [], parallel: false };
}
