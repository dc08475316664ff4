import { displayAddress } from "../postgres/connection.js";
import { qualifiedName, quoteIdentifier, type TableName } from "../postgres/identifiers.js";
import { reasonOf } from "../postgres/server-errors.js";
import { applySchema } from "../schema/apply-schema.js";
import { statementsOf } from "../schema/schema-plan.js";
import { reportNotes } from "../schema/schema-report.js";
import { withUnvalidatedForeignKeys } from "../schema/unvalidated-foreign-keys.js";
import type { Migration } from "./migration.js";
import { withRetries } from "./with-retries.js";

export interface SchemaSyncOptions {
  readonly phase: "pre" | "key" | "post";
  readonly ignoreErrors?: boolean;
}

/** Runs one phase of the source's schema on all shards; again after a failure it does what is missing. */
export async function syncSchema(migration: Migration, options: SchemaSyncOptions): Promise<void> {
  const { pipeline, report, shards, sessions } = migration;
  const plan = withUnvalidatedForeignKeys(await migration.schemaPlan());
  const total = statementsOf(plan, options.phase).length;
  const done = new Map(shards.map((shard) => [shard, 0]));
  const result = await withRetries(
    { what: `schema ${options.phase}`, maxAttempts: pipeline.general.reshardingCopyRetryMaxAttempts, minDelay: pipeline.general.reshardingCopyRetryMinDelay, exponential: true, signal: migration.signal, report },
    async () => {
      await migration.lock.ensure();
      return await applySchema(plan, options.phase, shards, {
        session: (shard) => sessions.destination(shard, "schema"),
        ...(options.ignoreErrors === undefined ? {} : { ignoreErrors: options.ignoreErrors }),
        onStatement({ shard, statement, state }) {
          if (state === "running") return;
          const count = done.get(shard)! + 1;
          done.set(shard, count);
          report({ type: "schema-statement", phase: options.phase, shard: shards.indexOf(shard), done: Math.min(count, total), total, sql: statement.sql });
        },
      });
    },
  );
  for (const note of reportNotes(result)) report({ type: "note", message: note });
}

/**
 * Validates foreign keys that were added NOT VALID: while tables show different moments of the source they need not
 * hold; once the stream has passed all snapshots they do. One that does not is reported and left unvalidated.
 */
export async function validateForeignKeys(migration: Migration): Promise<void> {
  await Promise.all(
    migration.shards.map(async (shard) => {
      const client = await migration.sessions.destination(shard, "schema");
      try {
        const { rows } = await client.query<TableName & { constraint: string }>(
          `SELECT n.nspname AS schema, c.relname AS name, k.conname AS constraint
             FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE k.contype = 'f' AND NOT k.convalidated AND k.conparentid = 0 ORDER BY 1, 2, 3`,
        );
        for (const row of rows) {
          await client.query(`ALTER TABLE ${qualifiedName(row)} VALIDATE CONSTRAINT ${quoteIdentifier(row.constraint)}`).catch((error: unknown) => {
            migration.report({ type: "note", message: `${displayAddress(shard)}: foreign key "${row.constraint}" of ${row.schema}.${row.name} does not hold on this shard and stays NOT VALID: ${reasonOf(error)}` });
          });
        }
      } finally {
        await client.end();
      }
    }),
  );
}
