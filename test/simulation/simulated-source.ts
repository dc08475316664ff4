import type { Random } from "../../src/demo/random.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import { keepalive, relationOf, type Row, type TableSpec, xlogData } from "../support/changes.js";
import type { State } from "../support/changes-history.js";
import { TABLES } from "../support/changes-tables.js";

/** One payload of the stream, and the tables that must have been described before it. */
export interface LoggedChange {
  readonly tables: readonly TableSpec[];
  readonly payload: Buffer;
}

interface LoggedTransaction {
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly changes: readonly LoggedChange[];
}

const EMPTY: State = new Map(TABLES.map(({ oid }) => [oid, new Map()]));
const RELATIONS = new Map(TABLES.map((table) => [table.oid, xlogData(relationOf(table))]));

/** Names a row of a table. */
export function keyName(oid: number, key: string): string {
  return `${oid} ${key}`;
}

/**
 * A source server: its tables, its WAL of committed transactions, and one logical slot. What the slot has confirmed is
 * thrown away: at once, or, where `forgetsAtOnce` is false, at the next checkpoint, up to when a crash takes the slot back
 * to what the checkpoint before had kept.
 */
export class SimulatedSource {
  readonly tables = new Map<number, Map<string, Row>>(TABLES.map(({ oid }) => [oid, new Map()]));
  readonly forgetsAtOnce: boolean;
  readonly number: number;
  /** Every key that a row ever had, also within a transaction; see `keyName`. */
  readonly #keys = new Set<string>();
  /** Counts the server's lives. */
  life = 0;
  readonly #random: Random;
  #position: Lsn;
  #log: LoggedTransaction[] = [];
  /** What the tables held after each transaction, tables that did not change shared. */
  readonly #history: { readonly commitLsn: Lsn; readonly after: State; readonly puts: ReadonlySet<string> }[] = [];
  #confirmed: Lsn | undefined;
  #kept: Lsn = 0n;
  #transactions = 0;
  /** Transactions that sessions see; of a last one the slot may tell before, while its commit waits for a standby. */
  #seen = 0;

  constructor(number: number, random: Random, forgetsAtOnce: boolean) {
    this.number = number;
    this.#random = random;
    this.forgetsAtOnce = forgetsAtOnce;
    // Each server counts for itself.
    this.#position = 1000n * BigInt(random.integer(1, number + 1));
  }

  /** End of the WAL: everything committed so far lies before it. */
  get position(): Lsn {
    return this.#position;
  }

  /** The slot's `confirmed_flush_lsn`; undefined before it is made. */
  get confirmed(): Lsn | undefined {
    return this.#confirmed;
  }

  /** A snapshot and its position: what committed before it is in there, and nothing else. */
  snapshot(): { readonly position: Lsn; readonly state: State } {
    return { position: this.#position, state: this.#history.at(-1)?.after ?? EMPTY };
  }

  /** What a snapshot at that position showed. */
  stateAt(position: Lsn): State {
    return this.#history.findLast(({ commitLsn }) => commitLsn < position)?.after ?? EMPTY;
  }

  /** What sessions see. */
  get visible(): State {
    return this.#seen === this.#transactions ? this.tables : (this.#history.at(-2)?.after ?? EMPTY);
  }

  sees(transaction: number): boolean {
    return transaction <= this.#seen;
  }

  /** All that a snapshot at that position shows is seen by sessions too. */
  seesUpTo(position: Lsn): boolean {
    return this.#history.every(({ commitLsn }, index) => commitLsn >= position || this.sees(index + 1));
  }

  /** False where all is seen already. */
  show(): boolean {
    if (this.#seen === this.#transactions) return false;
    this.#seen = this.#transactions;
    return true;
  }

  /** Whether a row ever had this key. */
  everHad(oid: number, key: string): boolean {
    return this.#keys.has(keyName(oid, key));
  }

  /** Whether a row has this key at a position; whether after each transaction since, or at any moment. */
  keySince(oid: number, key: string, position: Lsn): { readonly then: boolean; readonly always: boolean; readonly ever: boolean } {
    const then = this.stateAt(position).get(oid)!.has(key);
    const since = this.#history.filter(({ commitLsn }) => commitLsn >= position);
    return {
      then,
      always: then && since.every(({ after }) => after.get(oid)!.has(key)),
      ever: then || since.some(({ after, puts }) => puts.has(keyName(oid, key)) || after.get(oid)!.has(key)),
    };
  }

  /**
   * A commit record may begin right where the one before ended.
   *
   * @param puts the keys of rows that were put in, by `keyName`
   */
  commit(changes: readonly LoggedChange[], puts: ReadonlySet<string>): Lsn {
    const commitLsn = this.#position + BigInt(this.#random.integer(0, 1) * this.#random.integer(1, 50));
    const endLsn = commitLsn + BigInt(this.#random.integer(1, 30));
    this.#position = endLsn;
    this.#transactions++;
    const after = new Map(this.snapshot().state);
    for (const { tables } of changes) for (const { oid } of tables) after.set(oid, new Map(this.tables.get(oid)));
    for (const key of puts) this.#keys.add(key);
    this.#history.push({ commitLsn, after, puts });
    if (this.#random.integer(0, 3) > 0) this.show();
    const begin = xlogData({ kind: "begin", finalLsn: commitLsn, commitTime: 0n, xid: this.#transactions });
    const commit = xlogData({ kind: "commit", commitLsn, endLsn, commitTime: 0n });
    const transaction = { commitLsn, endLsn, changes: [{ tables: [], payload: begin }, ...changes, { tables: [], payload: commit }] };
    if (this.#confirmed !== undefined) this.#log.push(transaction);
    return commitLsn;
  }

  /** WAL of tables that are not published, and of transactions rolled back. */
  writeElsewhere(): void {
    this.#position += BigInt(this.#random.integer(1, 40));
  }

  createSlot(): void {
    this.#confirmed = this.#position;
    this.#kept = this.#position;
  }

  /** The standby status update's flushed position; 0 says nothing. */
  confirm(flushed: Lsn): void {
    if (flushed === 0n) return;
    this.#confirmed = flushed;
    if (this.forgetsAtOnce) this.checkpoint();
  }

  /** False where nothing is new. */
  checkpoint(): boolean {
    if (this.#confirmed === undefined || this.#confirmed <= this.#kept) return false;
    this.#kept = this.#confirmed;
    this.#log = this.#log.filter(({ commitLsn }) => commitLsn >= this.#kept);
    return true;
  }

  crash(): void {
    this.life++;
    this.show();
    if (this.#confirmed !== undefined) this.#confirmed = this.#kept;
  }

  /** START_REPLICATION at what the slot has confirmed. */
  connect(): SimulatedWalsender {
    if (this.#confirmed === undefined) throw new Error("there is no slot");
    return new SimulatedWalsender(this, this.#random, this.#confirmed);
  }

  /** The first transaction that commits at or after a position. */
  next(position: Lsn): LoggedTransaction | undefined {
    return this.#log.find(({ commitLsn }) => commitLsn >= position);
  }
}

/** One connection's stream: what the slot sends, message by message. */
export class SimulatedWalsender {
  readonly #source: SimulatedSource;
  readonly #random: Random;
  readonly #described = new Set<number>();
  #from: Lsn;
  /** How far the WAL was decoded, and what the last keepalive said of it. */
  #sent: Lsn;
  #told: Lsn | undefined;
  #open: LoggedTransaction | undefined;
  #place = 0;

  constructor(source: SimulatedSource, random: Random, from: Lsn) {
    this.#source = source;
    this.#random = random;
    this.#from = from;
    // Decoding begins at restart_lsn, which lies before what is confirmed; early keepalives tell of it.
    this.#sent = from - BigInt(random.integer(0, 1) * random.integer(0, 100));
  }

  /** The next payload; undefined where nothing waits to be sent. */
  next(): Buffer | undefined {
    if (this.#open === undefined) {
      this.#open = this.#source.next(this.#from);
      if (this.#open === undefined) return undefined;
      this.#place = 0;
    }
    const { tables, payload } = this.#open.changes[this.#place]!;
    // The server describes a table before its first change, and again whenever its caches were emptied.
    for (const { oid } of tables) {
      if (this.#described.has(oid) && this.#random.integer(1, 30) > 1) continue;
      this.#described.add(oid);
      return RELATIONS.get(oid)!;
    }
    if (++this.#place === this.#open.changes.length) {
      this.#from = this.#open.endLsn;
      this.#sent = this.#open.endLsn;
      this.#open = undefined;
    }
    return payload;
  }

  /** Tells how far the WAL was decoded: up to the next transaction, or once more what was sent. Undefined where that is old news. */
  keepalive(): Buffer | undefined {
    const told = this.#told === this.#sent;
    if (this.#open === undefined && (told || this.#random.integer(0, 3) > 0)) {
      const next = this.#source.next(this.#from);
      const reached = next === undefined ? this.#source.position : next.commitLsn;
      if (reached > this.#sent) this.#sent = reached;
    }
    if (this.#told === this.#sent) return undefined;
    this.#told = this.#sent;
    return keepalive(this.#sent);
  }
}
