import { type ChannelChange, withChannel } from "./channel-change.js";
import { withSetting } from "./session-settings.js";

/** A setting that a statement of the transaction has changed beyond it. */
export interface SettingChange {
  readonly name: string;
  /** Undefined: reset to its default. */
  readonly value: string | undefined;
  /** SET LOCAL: gone with the transaction. */
  readonly isLocal: boolean;
}

/** What a shard that joins later has to be told of the transaction, besides its BEGIN. */
type Entry =
  | { readonly kind: "savepoint"; readonly name: string; readonly text: string }
  | { readonly kind: "statement"; readonly text: string }
  /** `text` is undefined where it is the gateway's own (pgdog.shard), or where only settings are all reset. */
  | { readonly kind: "setting"; readonly text: string | undefined; readonly change: SettingChange }
  | { readonly kind: "reset-all"; readonly text: string }
  /** No shard is told of it before the COMMIT. */
  | { readonly kind: "channel"; readonly text: undefined; readonly change: ChannelChange };

/**
 * The client's transaction: begun on shards when they are first needed, and what they have to be told then.
 *
 * - `none`: each statement is its own.
 * - `implicit`: of the statements of one Query, or up to a Sync.
 * - `explicit`: of BEGIN.
 */
export class Transaction {
  #mode: "none" | "implicit" | "explicit" = "none";
  #begin = "BEGIN";
  #entries: Entry[] = [];
  /** A statement has failed: all others do, but for ROLLBACK. */
  failed = false;
  /** It has changed the schema: the catalog, as other sessions see it, is not its own. */
  definesSchema = false;
  /** It has changed omnisharded rows: the first shard is committed last. */
  changesEverywhere = false;

  get mode(): "none" | "implicit" | "explicit" {
    return this.#mode;
  }

  /** As ReadyForQuery has it. */
  get status(): "I" | "T" | "E" {
    return this.#mode !== "explicit" ? "I" : this.failed ? "E" : "T";
  }

  /** The statement that it begins with on a shard. */
  get begin(): string {
    return this.#begin;
  }

  get hasSavepoints(): boolean {
    return this.#entries.some(({ kind }) => kind === "savepoint");
  }

  /** Nothing in it would be other outside of it. */
  get plain(): boolean {
    return this.#entries.length === 0 && !this.definesSchema;
  }

  beginImplicit(): void {
    if (this.#mode === "none") this.#start("implicit", "BEGIN");
  }

  /** BEGIN: what an implicit transaction has done so far becomes part of it. */
  beginExplicit(text: string): void {
    if (this.#mode === "none") this.#start("explicit", text);
    else this.#mode = "explicit";
  }

  end(): void {
    this.#start("none", "BEGIN");
  }

  /** What a shard that joins now is told after its BEGIN. */
  get texts(): string[] {
    return this.#entries.flatMap(({ text }) => (text === undefined ? [] : [text]));
  }

  statement(text: string): void {
    this.#entries.push({ kind: "statement", text });
  }

  /** A change of a setting. */
  set(change: SettingChange, text: string | undefined): void {
    this.#entries.push({ kind: "setting", text, change });
  }

  resetAll(text: string): void {
    this.#entries.push({ kind: "reset-all", text });
  }

  changeChannel(change: ChannelChange): void {
    this.#entries.push({ kind: "channel", text: undefined, change });
  }

  /** The channels that are listened to once it is committed. */
  channels(channels: ReadonlySet<string>): ReadonlySet<string> {
    return this.#entries.reduce((listened, entry) => (entry.kind === "channel" ? withChannel(listened, entry.change) : listened), channels);
  }

  savepoint(name: string, text: string): void {
    this.#entries.push({ kind: "savepoint", name, text });
  }

  hasSavepoint(name: string): boolean {
    return this.#indexOf(name) >= 0;
  }

  /** What was done since stays. */
  release(name: string): void {
    const index = this.#indexOf(name);
    this.#entries = this.#entries.filter(({ kind }, at) => at < index || kind !== "savepoint");
  }

  /** What was done since is gone; the savepoint stays. */
  rollBackTo(name: string): void {
    this.#entries.length = this.#indexOf(name) + 1;
    this.failed = false;
  }

  /** A setting as it is now, for what the gateway itself has to know. */
  effective(name: string, settings: ReadonlyMap<string, string>): string | undefined {
    return this.#apply(settings, () => true).get(name);
  }

  /** The session's settings once it is committed. */
  committed(settings: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    return this.#apply(settings, ({ isLocal }) => !isLocal);
  }

  #apply(settings: ReadonlyMap<string, string>, counts: (change: SettingChange) => boolean): ReadonlyMap<string, string> {
    if (!this.#entries.some(({ kind }) => kind === "setting" || kind === "reset-all")) return settings;
    let changed = settings;
    for (const entry of this.#entries) {
      // As `resetAll` of the session: the user stays.
      if (entry.kind === "reset-all") changed = afterResetAll(changed);
      if (entry.kind !== "setting" || !counts(entry.change)) continue;
      changed = withSetting(changed, entry.change.name, entry.change.value);
    }
    return changed;
  }

  #start(mode: "none" | "implicit" | "explicit", begin: string): void {
    this.#mode = mode;
    this.#begin = begin;
    this.#entries = [];
    this.failed = false;
    this.definesSchema = false;
    this.changesEverywhere = false;
  }

  /** The last of that name. */
  #indexOf(name: string): number {
    return this.#entries.findLastIndex((entry) => entry.kind === "savepoint" && entry.name === name);
  }
}

/** Settings that RESET ALL leaves alone (GUC_NO_RESET_ALL, utils/misc/guc_tables.c), and the gateway's own. */
export function afterResetAll(settings: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...settings].filter(([name]) => name === "role" || name === "session_authorization"));
}
