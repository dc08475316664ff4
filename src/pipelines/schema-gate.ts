import { concatMap, defer, from, of } from "rxjs";
import type { ChangeBatch } from "../change-batch.js";
import type { Operator } from "../flow.js";
import { OWN_SCHEMA, readPublishedColumns } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName, type TableName, tableId } from "../postgres/identifiers.js";
import { formatLsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { readAddedColumns } from "../postgres/added-columns.js";
import { readTableColumns, type TableColumn, type TableColumns } from "../postgres/table-columns.js";
import { type KnownColumns, noteKnownColumns, readKnownColumns } from "../progress/known-columns.js";
import type { Migration } from "./migration.js";
import { fits, schemaChange, type SchemaChange } from "./schema-change.js";
import { columnsChanged, tableAdded, tableMadeAnew, tableRenamed } from "./schema-changed.js";
import type { SourceShard } from "./source-shard.js";

const NONE: ReadonlySet<string> = new Set();

/**
 * Lets changes through whose table the shards have in the form that they come in, and stops with SCHEMA_CHANGED where
 * they do not, after all that came before is on the shards: they are then exactly where the source was when it was
 * changed.
 */
export class SchemaGate {
  readonly #migration: Migration;
  readonly #source: SourceShard;
  readonly #shards: readonly TableColumns[];
  readonly #known: KnownColumns;
  readonly #checked = new WeakSet<PgoutputRelation>();
  readonly #changes = new WeakMap<PgoutputRelation, SchemaChange>();
  /** Under their present names. */
  readonly #renamed = new WeakMap<PgoutputRelation, PgoutputRelation>();
  readonly #leftOut = new WeakSet<PgoutputRelation>();
  /** Sequences: of the newest batch let through, and of the newest that all shards have taken. */
  #passed = -1;
  #taken = -1;
  #wake: (() => void) | undefined;

  private constructor(migration: Migration, source: SourceShard, shards: readonly TableColumns[], known: KnownColumns) {
    this.#migration = migration;
    this.#source = source;
    this.#shards = shards;
    this.#known = known;
  }

  static async open(migration: Migration, source: SourceShard): Promise<SchemaGate> {
    const shards = await Promise.all(columnsOfShards(migration));
    return new SchemaGate(migration, source, shards, await migration.journal((client) => readKnownColumns(client, migration.id)));
  }

  /** Streamed columns that are gone on the source and on shards. */
  forgotten(relation: PgoutputRelation): ReadonlySet<string> {
    return this.#changes.get(relation)?.forgotten ?? NONE;
  }

  /** Streamed columns that come in a type of before. */
  former(relation: PgoutputRelation): ReadonlySet<string> {
    return this.#changes.get(relation)?.former ?? NONE;
  }

  /** True of tables that are gone on the source, or not published any more, and were never taken over. */
  leavesOut(relation: PgoutputRelation): boolean {
    return this.#leftOut.has(relation);
  }

  /** Told which batches all shards have taken: of those that end a transaction it is committed there. */
  taken(sequence: number): void {
    this.#taken = sequence;
    if (this.#taken >= this.#passed) this.#wake?.();
  }

  operator(): Operator<ChangeBatch> {
    return (batches$) => batches$.pipe(concatMap((batch) => (batch.relations.every((relation) => this.#isFamiliar(relation)) ? of(this.#pass(batch)) : defer(() => from(this.#check(batch))))));
  }

  #pass(batch: ChangeBatch): ChangeBatch {
    this.#passed = batch.sequence;
    return batch.relations.some((relation) => this.#renamed.has(relation)) ? { ...batch, relations: batch.relations.map((relation) => this.#renamed.get(relation) ?? relation) } : batch;
  }

  /** As the source was when the run began, and as the shards were when the stream did. */
  #isFamiliar(relation: PgoutputRelation): boolean {
    if (this.#checked.has(relation)) return true;
    const published = this.#source.tables.find((table) => table.oid === relation.oid);
    const id = tableId(relation);
    const known = this.#known.get(id);
    if (published === undefined) {
      // Of a database that was a destination: FOR ALL TABLES publishes its bookkeeping too.
      if (relation.schema === OWN_SCHEMA) this.#leftOut.add(relation);
      // Taken from another source shard.
      else if (this.#source.takes(relation)) return false;
    } else {
      if (tableId(published) !== id || known === undefined) return false;
      const streamed = new Set(relation.columns.map(({ name }) => name));
      if ([...known.keys()].some((name) => !streamed.has(name))) return false;
      const source = new Map(published.columns.map((column) => [column.name, column]));
      const change = schemaChange({ relation, source, shards: this.#shards.map((columns) => this.#onShard(columns, id)), known });
      if (!fits(change) || change.forgotten.size > 0 || change.former.size > 0) return false;
    }
    this.#checked.add(relation);
    return true;
  }

  async #check(batch: ChangeBatch): Promise<ChangeBatch> {
    await this.#drained();
    for (const relation of batch.relations) if (!this.#isFamiliar(relation)) await this.#examine(relation, batch);
    return this.#pass(batch);
  }

  /** Until all that was let through is on the shards, where that on disk may still be waited for. */
  async #drained(): Promise<void> {
    while (this.#taken < this.#passed) {
      await new Promise<void>((resolve) => { this.#wake = resolve; });
      this.#wake = undefined;
    }
  }

  async #examine(relation: PgoutputRelation, batch: ChangeBatch): Promise<void> {
    const { source, shards, known, name, published } = await this.#read(relation);
    const commit = batch.transactions.at(-1)?.commitLsn;
    const place = { server: displayAddress(this.#source.address), ...(commit === undefined ? {} : { lsn: formatLsn(commit) }) };
    const begun = this.#source.tables.find((table) => table.oid === relation.oid);
    if (begun === undefined) {
      if (name !== undefined && published) throw known === undefined ? tableAdded(relation, place) : tableMadeAnew(relation, place);
      this.#leftOut.add(relation);
      this.#checked.add(relation);
      this.#migration.report({ type: "note", message: `${displayName(relation)} ${name === undefined ? "is gone on the source" : "is not published any more"}: what the stream still has of it is left out.` });
      return;
    }
    if (tableId(begun) !== tableId(relation)) {
      if (name === undefined || tableId(name) !== tableId(begun)) throw tableRenamed(begun, relation, place);
      // Renamed since this change, and before the run began.
      const { schema, name: present } = begun;
      this.#renamed.set(relation, { ...relation, schema, name: present });
      this.#checked.add(relation);
      await this.#examine(this.#renamed.get(relation)!, batch);
      return;
    }
    const change = schemaChange({ relation, source, shards, known });
    if (!fits(change)) {
      if (change.tableMissing) throw tableAdded(relation, place);
      throw columnsChanged(relation, change, await this.#source.monitor((client) => readAddedColumns(client, relation.oid, change.added)), place);
    }
    this.#changes.set(relation, change);
    this.#checked.add(relation);
    await this.#note(relation, source);
  }

  /** As everything is by now. */
  async #read(relation: PgoutputRelation): Promise<{ source: ReadonlyMap<string, TableColumn> | undefined; shards: (ReadonlyMap<string, TableColumn> | undefined)[]; known: ReadonlyMap<string, string> | undefined; name: TableName | undefined; published: boolean }> {
    const id = tableId(relation);
    const shards = await Promise.all(columnsOfShards(this.#migration));
    const known = (await this.#migration.journal((client) => readKnownColumns(client, this.#migration.id))).get(id);
    return await this.#source.monitor(async (client) => {
      const { rows } = await client.query<TableName>("SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1", [relation.oid]);
      const published = (await readPublishedColumns(client, this.#migration.pipeline.publication, relation.oid)) !== undefined;
      return { source: rows[0] === undefined ? undefined : (await readTableColumns(client)).get(tableId(rows[0])), shards: shards.map((columns) => this.#onShard(columns, id)), known, name: rows[0], published };
    });
  }

  /** What a shard has of a table, under the names of the source. */
  #onShard(columns: TableColumns, id: string): ReadonlyMap<string, TableColumn> | undefined {
    const table = this.#migration.tables.find((candidate) => tableId(candidate) === id);
    if (table === undefined) return columns.get(id);
    const after = this.#migration.after(table);
    const there = columns.get(tableId(after));
    const names = new Map(table.columns.map(({ name }, index) => [after.columns[index]!.name, name]));
    if (there === undefined) return undefined;
    // Columns of the shard's own last: one may be called as one of the source's was.
    const columnsOfSource = new Map([...there].flatMap(([name, column]) => (names.has(name) ? [[names.get(name)!, column]] : [])));
    return new Map([...[...there].filter(([name]) => !columnsOfSource.has(name)), ...columnsOfSource]);
  }

  /** Where the stream is level with the source, its columns are what the shards have followed. */
  async #note(relation: PgoutputRelation, source: ReadonlyMap<string, TableColumn> | undefined): Promise<void> {
    if (source === undefined || relation.columns.some((column) => source.get(column.name)?.typeOid !== column.typeOid)) return;
    const columns = relation.columns.map(({ name }) => source.get(name)!);
    await this.#migration.journal((client) => noteKnownColumns(client, this.#migration.id, [{ schema: relation.schema, name: relation.name, columns }], true));
  }
}

function columnsOfShards({ shards, sessions }: Migration): Promise<TableColumns>[] {
  return shards.map((shard) => sessions.kept.use(shard, "journal", readTableColumns));
}
