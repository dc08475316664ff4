import type pg from "pg";
import { concatMap, defer, finalize, tap } from "rxjs";
import { type ApplyStep, isEqualStep, type RowSet, type StepBatch } from "../apply-step.js";
import type { SourceTransaction } from "../change-batch.js";
import type { Receipt, Sink } from "../flow.js";
import { endQuietly } from "../postgres/connection.js";
import { qualifiedName } from "../postgres/identifiers.js";
import type { Lsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { sqlState } from "../postgres/server-errors.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { writeStreamProgress } from "../progress/stream-progress.js";
import type { ProgressKey } from "../progress/table-progress.js";
import {
  copyStatement, deleteStatement, emptyStatement, insertStatement, REFERENCED_FROM_ELSEWHERE, replacesRows, replaceStatement, truncateStatement, updateStatement, upsertStatement,
} from "./apply-statements.js";
import { copyIn } from "../postgres/copy-in.js";
import { type ApplyCommand, ApplyTransaction, type CommandAnswer } from "./apply-transaction.js";
import { applyEqualStep } from "./apply-equal-step.js";
import { applyOwnedStep, type OwnedRun, takeTurn, truncateOwn, uniqueValueTaken } from "./apply-owned-step.js";
import { contestedOwnership, isContested, type Ownership } from "./ownership.js";
import { copies, EncodedRows } from "./encoded-rows.js";
import { inOrder } from "./in-order.js";
import type { TargetTable, TargetTableOptions } from "./target-table.js";
import { TargetTables } from "./target-tables.js";

export interface ApplyToShardOptions {
  /** Opens a session, best one with `pipeline`: it is sent several statements at once. */
  readonly open: () => Promise<pg.Client>;
  readonly progress: ProgressKey;
  /** The columns that name a row of a relation. */
  readonly keyOf: (relation: PgoutputRelation) => readonly string[];
  /** What the source streams in; binary where absent. */
  readonly format?: ValueFormat;
  /**
   * Completes rows that came from another shard with unchanged TOAST: reads what they do not carry from the source, by
   * key. Rows that the source does not have any more, or that belong on another shard, are left out; the stream will
   * tell what became of them.
   */
  readonly completeFromSource: (rows: RowSet, places: readonly number[]) => Promise<RowSet>;
  /** Returns once what these transactions did is seen by whoever looks rows up on the source. */
  readonly untilSeen?: (transactions: readonly SourceTransaction[]) => Promise<void>;
  /** Of a relation as it was before its definition changed: see `TargetTableOptions`. */
  readonly changesOf?: (relation: PgoutputRelation) => Pick<TargetTableOptions, "forgotten" | "former">;
  /** Where several source shards bring rows of a relation: which are whose. */
  readonly ownershipOf?: (relation: PgoutputRelation) => Ownership | undefined;
}

/**
 * Runs the steps of each batch on one shard, in one transaction with the progress they make. A piece of a transaction
 * larger than a batch is answered as taken; the transaction stays open, and only its end is answered as durable.
 */
export function applyToShard(options: ApplyToShardOptions): Sink<StepBatch, Lsn> {
  return (batches$) =>
    defer(() => {
      const session = new ApplySession(options);
      session.open();
      return batches$.pipe(
        tap((batch) => { session.arrive(batch); }),
        concatMap((batch) => session.apply(batch)),
        concatMap(async ({ receipt, committed }) => {
          await committed;
          return receipt;
        }),
        finalize(() => { void session.close(); }),
      );
    });
}

/** unique_violation and exclusion_violation: what folding can run into where the source did not. */
const CONFLICTS = new Set(["23505", "23P01"]);

class ApplySession {
  readonly #options: ApplyToShardOptions;
  readonly #targets: TargetTables;
  readonly #encoded = new EncodedRows();
  readonly #statementNames = new Map<string, string>();
  readonly #transaction = new ApplyTransaction();
  #newestArrived = -1;
  /** Of the batch at hand. */
  #transactions: readonly SourceTransaction[] = [];
  /** The answer to the last batch's RELEASE, which nothing waits for. */
  #released: readonly Promise<unknown>[] = [];
  /** The last COMMIT's answer. */
  #committed: Promise<void> = Promise.resolve();
  #client: Promise<pg.Client> | undefined;

  constructor(options: ApplyToShardOptions) {
    this.#options = options;
    const { keyOf, format = "binary", progress, changesOf } = options;
    this.#targets = new TargetTables((relation) => ({ key: keyOf(relation), format, sourceShard: progress.sourceShard, ...changesOf?.(relation) }));
  }

  /** Begins to open the session; that it cannot be opened is told by the first batch with changes. */
  open(): void {
    this.#session().catch(() => undefined);
  }

  /** Encodes what it can while the shard still works on what came before, so that it need not wait then. */
  arrive(batch: StepBatch): void {
    this.#newestArrived = batch.sequence;
    for (const step of batch.steps) {
      if (step.kind === "truncate") return;
      const target = this.#targets.known(step.rows.relation);
      if (target === undefined) return;
      if ((step.kind === "insert" || (step.kind === "upsert" && step.before === "absent")) && copies(target, step.rows)) this.#encoded.copyData(target, step.rows);
      else this.#encoded.array(target, step.rows);
      if (step.kind === "update-equal") this.#encoded.array(target, step.oldRows);
    }
  }

  /** Returns when the next batch may come: a COMMIT is sent by then, and its answer comes meanwhile. */
  async apply(batch: StepBatch): Promise<{ readonly receipt: Receipt<Lsn>; readonly committed: Promise<void> }> {
    if (batch.steps.length > 0) {
      const client = await this.#session();
      await this.#targets.prepare(client, relationsOf(batch.steps));
    }
    this.#transactions = batch.transactions;
    const commands = this.#transaction.commandsOf(batch, this.#newestArrived > batch.sequence);
    let answer: CommandAnswer = "done";
    for (;;) {
      const next = commands.next(answer);
      if (next.done === true) return { receipt: next.value, committed: this.#committed };
      answer = await this.#perform(await this.#session(), next.value);
    }
  }

  async close(): Promise<void> {
    await endQuietly(await this.#client?.catch(() => undefined));
  }

  async #perform(client: pg.Client, command: ApplyCommand): Promise<CommandAnswer> {
    switch (command.kind) {
      case "apply": {
        let sent: Promise<unknown>[] = [...this.#released, client.query(command.begin ? "BEGIN; SET CONSTRAINTS ALL DEFERRED; SAVEPOINT batch" : "SAVEPOINT batch")];
        try {
          for (const group of command.groups) {
            if (group.some((step) => this.#isContested(step))) {
              // These ask before they write: one after the other, lest a row is written in between.
              await inOrder(sent);
              sent = [];
              await this.#takeTurn(client);
              for (const step of group) await this.#step(client, step, command.assumeNew);
            } else sent.push(...group.map((step) => this.#step(client, step, command.assumeNew)));
            await inOrder(sent);
            sent = [];
          }
          await inOrder(sent);
        } catch (error) {
          if (!CONFLICTS.has(sqlState(error) ?? "")) throw error;
          await client.query("ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch");
          return "conflict";
        }
        this.#released = [client.query("RELEASE SAVEPOINT batch")];
        this.#released[0]!.catch(() => undefined);
        break;
      }
      case "apply-one-by-one":
        if (command.steps.some((step) => this.#isContested(step))) await this.#takeTurn(client);
        for (const step of command.steps) {
          await this.#step(client, step, false).catch((error: unknown) => {
            throw step.kind !== "truncate" && CONFLICTS.has(sqlState(error) ?? "") && this.#options.ownershipOf?.(step.rows.relation) !== undefined ? uniqueValueTaken(step.rows.relation, error) : error;
          });
        }
        break;
      case "commit":
        // Not behind a COMMIT that may have failed: this one's progress would stand for that one's changes too.
        await this.#committed;
        // Both are on their way at once; a COMMIT behind a failed statement rolls back.
        this.#committed = inOrder([...this.#released, writeStreamProgress(client, this.#options.progress, command.applied), client.query(command.onDisk ? "COMMIT" : "SET LOCAL synchronous_commit = off; COMMIT")]);
        this.#committed.catch(() => undefined);
        break;
      case "note":
        await this.#committed;
        await writeStreamProgress(client, this.#options.progress, command.applied);
        break;
    }
    return "done";
  }

  async #step(client: pg.Client, step: ApplyStep, assumeNew: boolean): Promise<void> {
    if (step.kind === "truncate") {
      const shared = step.relations.filter((relation) => this.#options.ownershipOf?.(relation) !== undefined);
      for (const relation of shared) await truncateOwn(this.#ownedRun(client, this.#targets.of(relation)), this.#targets.of(relation), this.#options.ownershipOf!(relation)!);
      const targets = step.relations.filter((relation) => !shared.includes(relation)).map((relation) => this.#targets.of(relation));
      if (targets.length === 0) return;
      const { rows } = await client.query<{ referenced: boolean }>(REFERENCED_FROM_ELSEWHERE, [targets.map(({ table }) => qualifiedName(table))]);
      if (rows[0]!.referenced) for (const target of targets) await client.query(emptyStatement(target));
      else await client.query(truncateStatement(targets, step.restartIdentity));
      return;
    }
    const target = this.#targets.of(step.rows.relation);
    if (isEqualStep(step)) {
      const encode = (rows: RowSet): Buffer => this.#encoded.array(target, rows);
      await applyEqualStep({ client, encode, insert: (rows) => this.#insert(client, target, rows) }, target, step);
      return;
    }
    const ownership = contestedOwnership(step, (relation) => this.#options.ownershipOf?.(relation));
    if (ownership !== undefined) {
      await applyOwnedStep(this.#ownedRun(client, target), target, step, ownership);
      return;
    }
    switch (step.kind) {
      case "delete":
        await this.#execute(client, target, deleteStatement(target), [this.#encoded.array(target, step.rows)]);
        break;
      case "upsert":
        if (step.before === "present") {
          if (!(await this.#replace(client, target, step.rows))) await this.#upsert(client, target, step.rows);
        } else if (!(assumeNew && step.before === "absent" && (await this.#copy(client, target, step.rows)))) await this.#upsert(client, target, step.rows);
        break;
      case "update": {
        const result = await this.#execute(client, target, updateStatement(target, step.columns), [this.#encoded.array(target, step.rows)]);
        if (!step.arriving || result.rows.length === step.rows.count) break;
        const here = new Set(result.rows.map((row) => row.place));
        const missing = Array.from({ length: step.rows.count }, (_, row) => row).filter((row) => !here.has(row + 1));
        const completed = await this.#complete(step.rows, missing);
        if (completed.count > 0) await this.#upsert(client, target, completed);
        break;
      }
    }
  }

  async #complete(rows: RowSet, places: readonly number[]): Promise<RowSet> {
    await this.#options.untilSeen?.(this.#transactions);
    return await this.#options.completeFromSource(rows, places);
  }

  /** What is on a shard of a table that source shards share is seen on the source by those whose turn comes next. */
  async #takeTurn(client: pg.Client): Promise<void> {
    await this.#options.untilSeen?.(this.#transactions);
    await takeTurn(client, this.#options.progress.migration);
  }

  #isContested(step: ApplyStep): boolean {
    return isContested(step, (relation) => this.#options.ownershipOf?.(relation));
  }

  #ownedRun(client: pg.Client, target: TargetTable): OwnedRun {
    return {
      execute: async (text, values) => await (values.length === 0 ? client.query(text) : this.#execute(client, target, text, values)),
      encode: (rows) => this.#encoded.array(target, rows),
      complete: (rows, places) => this.#complete(rows, places),
    };
  }

  /** False where the rows are too few for it to pay, or COPY cannot bring them. */
  async #copy(client: pg.Client, target: TargetTable, rows: RowSet): Promise<boolean> {
    if (!copies(target, rows)) return false;
    await copyIn(client, copyStatement(target), this.#encoded.copyData(target, rows));
    return true;
  }

  /** False where not all rows were there. */
  async #replace(client: pg.Client, target: TargetTable, rows: RowSet): Promise<boolean> {
    const text = replaceStatement(target);
    if (text === undefined) return false;
    return (await this.#execute(client, target, text, [this.#encoded.array(target, rows)])).rowCount === rows.count;
  }

  async #upsert(client: pg.Client, target: TargetTable, rows: RowSet): Promise<void> {
    const array = this.#encoded.array(target, rows);
    if (replacesRows(target)) await this.#execute(client, target, deleteStatement(target), [array]);
    await this.#execute(client, target, upsertStatement(target), [array]);
  }

  async #insert(client: pg.Client, target: TargetTable, rows: RowSet): Promise<void> {
    if (!(await this.#copy(client, target, rows))) await this.#execute(client, target, insertStatement(target), [this.#encoded.array(target, rows)]);
  }

  async #execute(client: pg.Client, target: TargetTable, text: string, values: readonly unknown[]): Promise<pg.QueryResult<{ place: number }>> {
    // The same words mean another statement once the row type was made anew.
    const key = `${target.rowType.oid} ${text}`;
    let name = this.#statementNames.get(key);
    if (name === undefined) {
      name = `reshard_${this.#statementNames.size}`;
      this.#statementNames.set(key, name);
    }
    return await client.query<{ place: number }>({ name, text, values: [...values] });
  }

  async #session(): Promise<pg.Client> {
    return await (this.#client ??= this.#options.open());
  }
}

function relationsOf(steps: readonly ApplyStep[]): Set<PgoutputRelation> {
  return new Set(steps.flatMap((step) => (step.kind === "truncate" ? step.relations : [step.rows.relation])));
}
