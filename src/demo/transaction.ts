import type pg from "pg";
import type { IdRanges, NumberedTable } from "./id-ranges.js";
import type { Random } from "./random.js";

/** Ids come and go as text: that is how `pg` gives bigint and uuid. */
export type Id = string;

/** The row a transaction wanted is not there (another writer took it): it is rolled back and not counted. */
export class Missed extends Error {}

/** What the statements of one open transaction work with. The caller begins and ends it. */
export class Transaction {
  /** Work undone by ROLLBACK TO SAVEPOINT in this transaction. */
  savepointRollbacks = 0;

  constructor(
    readonly client: pg.Client,
    readonly random: Random,
    readonly ids: IdRanges,
  ) {}

  async query<R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<pg.QueryResult<R>> {
    return await this.client.query<R>({ name: statementName(text), text, values: [...values] });
  }

  /** The first row of the statement's result; throws `Missed` without one. */
  async one<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R> {
    const { rows } = await this.query<R>(text, values);
    if (rows[0] === undefined) throw new Missed();
    return rows[0];
  }

  /** Runs a statement that must change rows; throws `Missed` where it does not. */
  async change(text: string, values?: readonly unknown[]): Promise<void> {
    if ((await this.query(text, values)).rowCount === 0) throw new Missed();
  }

  /** Where to start looking for a random row of the table. */
  idIn(table: NumberedTable): number {
    return this.ids.somewhere(table, this.random);
  }

  /** A random uuid, without its dashes. */
  uuid(): Id {
    return Array.from({ length: 4 }, () => this.random.integer(0, 2 ** 32 - 1).toString(16).padStart(8, "0")).join("");
  }

  /** Runs `work` and undoes it. */
  async undone(work: () => Promise<void>): Promise<void> {
    await this.query("SAVEPOINT second_thoughts");
    await work();
    await this.query("ROLLBACK TO SAVEPOINT second_thoughts");
    this.savepointRollbacks++;
  }
}

/** Each statement is prepared once a connection, under the name it has here. */
const names = new Map<string, string>();

function statementName(text: string): string {
  const name = names.get(text) ?? `demo_${names.size}`;
  names.set(text, name);
  return name;
}
