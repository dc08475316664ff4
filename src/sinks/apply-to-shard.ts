import { isDeepStrictEqual } from "node:util";
import type pg from "pg";
import { concatMap, defer, finalize } from "rxjs";
import type { ApplyStep, RowSet, StepBatch } from "../apply-step.js";
import type { Receipt, Sink } from "../flow.js";
import { endQuietly } from "../postgres/connection.js";
import { qualifiedName } from "../postgres/identifiers.js";
import type { Lsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { sqlState } from "../postgres/server-errors.js";
import { writeStreamProgress } from "../progress/stream-progress.js";
import type { ProgressKey } from "../progress/table-progress.js";
import {
  changeKeyStatement, deleteStatement, emptyStatement, REFERENCED_FROM_ELSEWHERE, replacesRows, replaceStatement, truncateStatement, updateStatement, upsertStatement,
} from "./apply-statements.js";
import { encodeRowArray } from "./row-array.js";
import { prepareTargetTable, type TargetTable } from "./target-table.js";

export interface ApplyToShardOptions {
  /** Opens a session, best one with `pipeline`: it is sent several statements at once. */
  readonly open: () => Promise<pg.Client>;
  readonly progress: ProgressKey;
  /** The columns that name a row of a relation. */
  readonly keyOf: (relation: PgoutputRelation) => readonly string[];
  /**
   * Completes rows that came from another shard with unchanged TOAST: reads what they do not carry from the source, by
   * key. Rows that the source does not have any more are left out; the stream will tell what became of them.
   */
  readonly completeFromSource: (rows: RowSet, places: readonly number[]) => Promise<RowSet>;
}

/**
 * Runs the steps of each batch on one shard, in one transaction with the progress they make. A piece of a transaction
 * larger than a batch is answered as taken; the transaction stays open, and only its end is answered as durable.
 */
export function applyToShard(options: ApplyToShardOptions): Sink<StepBatch, Lsn> {
  return (batches$) =>
    defer(() => {
      const session = new ApplySession(options);
      return batches$.pipe(
        concatMap((batch) => session.apply(batch)),
        finalize(() => { void session.close(); }),
      );
    });
}

/** unique_violation and exclusion_violation: what folding can run into where the source did not. */
const CONFLICTS = new Set(["23505", "23P01"]);

class ApplySession {
  readonly #options: ApplyToShardOptions;
  readonly #targets = new WeakMap<PgoutputRelation, TargetTable>();
  /** By the relation's OID: the source sends a Relation message again whenever its caches were emptied. */
  readonly #newest = new Map<number, { readonly relation: PgoutputRelation; readonly generation: number }>();
  readonly #statementNames = new Map<string, string>();
  #client: pg.Client | undefined;
  #open = false;
  #closed = false;

  constructor(options: ApplyToShardOptions) {
    this.#options = options;
  }

  async apply(batch: StepBatch): Promise<Receipt<Lsn>> {
    if (batch.steps.length > 0) await this.#run(batch);
    if (batch.resume === undefined) return { taken: batch.sequence };
    if (this.#open) {
      const client = this.#client!;
      // Both are on their way at once; a COMMIT behind a failed statement rolls back.
      await inOrder([writeStreamProgress(client, this.#options.progress, batch.resume), client.query("COMMIT")]);
      this.#open = false;
    }
    return { taken: batch.sequence, durable: batch.resume };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await endQuietly(this.#client);
  }

  async #run(batch: StepBatch): Promise<void> {
    const client = await this.#session();
    for (const relation of relationsOf(batch.steps)) if (!this.#targets.has(relation)) await this.#prepare(client, relation);
    const begun = client.query(this.#open ? "SAVEPOINT batch" : "BEGIN; SET CONSTRAINTS ALL DEFERRED; SAVEPOINT batch");
    this.#open = true;
    try {
      await this.#folded(client, begun, batch.steps);
    } catch (error) {
      if (!CONFLICTS.has(sqlState(error) ?? "")) throw error;
      await client.query("ROLLBACK TO SAVEPOINT batch");
      for (const step of batch.oneByOne()) await this.#step(client, step);
    }
    await client.query("RELEASE SAVEPOINT batch");
  }

  /**
   * Sends steps without waiting for one another, so that the shard works while the next is encoded. What a step sends
   * after its first answer comes behind the others then; between two barriers no two steps write the same row, but a
   * deletion ahead of what puts the row in again. A key change or TRUNCATE, and a table's new definition, are barriers.
   */
  async #folded(client: pg.Client, begun: Promise<unknown>, steps: readonly ApplyStep[]): Promise<void> {
    let sent: Promise<unknown>[] = [begun];
    const relations = new Map<number, PgoutputRelation>();
    for (const step of steps) {
      const alone = step.kind === "truncate" || step.kind === "change-key";
      if (alone || (relations.get(step.rows.relation.oid) ?? step.rows.relation) !== step.rows.relation) {
        await inOrder(sent);
        sent = [];
        relations.clear();
      }
      if (alone) await this.#step(client, step);
      else {
        relations.set(step.rows.relation.oid, step.rows.relation);
        sent.push(this.#step(client, step));
      }
    }
    await inOrder(sent);
  }

  async #prepare(client: pg.Client, relation: PgoutputRelation): Promise<void> {
    const former = this.#newest.get(relation.oid);
    const generation = former === undefined ? 0 : former.generation + 1;
    const target =
      former !== undefined && isDeepStrictEqual(former.relation, relation)
        ? this.#target(former.relation)
        : await prepareTargetTable(client, relation, this.#options.keyOf(relation), this.#options.progress.sourceShard, generation);
    this.#targets.set(relation, target);
    this.#newest.set(relation.oid, { relation, generation });
  }

  async #step(client: pg.Client, step: ApplyStep): Promise<void> {
    if (step.kind === "truncate") {
      const targets = step.relations.map((relation) => this.#target(relation));
      const { rows } = await client.query<{ referenced: boolean }>(REFERENCED_FROM_ELSEWHERE, [targets.map(({ table }) => qualifiedName(table))]);
      if (rows[0]!.referenced) for (const target of targets) await client.query(emptyStatement(target));
      else await client.query(truncateStatement(targets, step.restartIdentity));
      return;
    }
    const target = this.#target(step.rows.relation);
    switch (step.kind) {
      case "delete":
        await this.#execute(client, target, deleteStatement(target), [encodeRowArray(step.rows, target.rowType)]);
        break;
      case "upsert":
        if (!(step.present && (await this.#replace(client, target, step.rows)))) await this.#upsert(client, target, step.rows);
        break;
      case "change-key":
        await this.#execute(client, target, changeKeyStatement(target, step.columns), [
          encodeRowArray(step.oldKey, target.rowType),
          encodeRowArray(step.rows, target.rowType),
        ]);
        break;
      case "update": {
        const result = await this.#execute(client, target, updateStatement(target, step.columns), [encodeRowArray(step.rows, target.rowType)]);
        if (!step.arriving || result.rows.length === step.rows.count) break;
        const here = new Set(result.rows.map((row) => row.place));
        const missing = Array.from({ length: step.rows.count }, (_, row) => row).filter((row) => !here.has(row + 1));
        const completed = await this.#options.completeFromSource(step.rows, missing);
        if (completed.count > 0) await this.#upsert(client, target, completed);
        break;
      }
    }
  }

  /** False where not all rows were there. */
  async #replace(client: pg.Client, target: TargetTable, rows: RowSet): Promise<boolean> {
    const text = replaceStatement(target);
    if (text === undefined) return false;
    return (await this.#execute(client, target, text, [encodeRowArray(rows, target.rowType)])).rowCount === rows.count;
  }

  async #upsert(client: pg.Client, target: TargetTable, rows: RowSet): Promise<void> {
    const array = encodeRowArray(rows, target.rowType);
    if (replacesRows(target)) await this.#execute(client, target, deleteStatement(target), [array]);
    await this.#execute(client, target, upsertStatement(target), [array]);
  }

  async #execute(client: pg.Client, target: TargetTable, text: string, values: Buffer[]): Promise<pg.QueryResult<{ place: number }>> {
    // The same words mean another statement once the row type was made anew.
    const key = `${target.rowType.oid} ${text}`;
    let name = this.#statementNames.get(key);
    if (name === undefined) {
      name = `reshard_${this.#statementNames.size}`;
      this.#statementNames.set(key, name);
    }
    return await client.query<{ place: number }>({ name, text, values });
  }

  #target(relation: PgoutputRelation): TargetTable {
    return this.#targets.get(relation)!;
  }

  async #session(): Promise<pg.Client> {
    if (this.#client === undefined) {
      this.#client = await this.#options.open();
      if (this.#closed) await endQuietly(this.#client);
    }
    return this.#client;
  }
}

/** in_failed_sql_transaction: an echo of an error before it. */
const FAILED_BEFORE = "25P02";

/** Waits for all; throws the error that the others only follow from. */
async function inOrder(sent: readonly Promise<unknown>[]): Promise<void> {
  const errors = (await Promise.allSettled(sent)).flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
  if (errors.length > 0) throw errors.find((error) => sqlState(error) !== FAILED_BEFORE) ?? errors[0];
}

function relationsOf(steps: readonly ApplyStep[]): Set<PgoutputRelation> {
  return new Set(steps.flatMap((step) => (step.kind === "truncate" ? step.relations : [step.rows.relation])));
}
