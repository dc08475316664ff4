import type { RouteFigures } from "../admin/gateway-controls.js";
import type { ServeConfiguration } from "../config/serve.js";
import type { Database } from "../config/types.js";
import { asAfterCutover } from "../gateway/planning/after-cutover.js";
import { readShardedCatalog } from "../gateway/planning/read-sharded-catalog.js";
import { Rehearsal, type RehearsedStatement } from "../gateway/planning/rehearsal.js";
import { DEFAULT_SEARCH_PATH, searchPathOf } from "../gateway/planning/search-path.js";
import { StatementPlanner } from "../gateway/planning/statement-planner.js";
import { connect, endQuietly } from "../postgres/connection.js";
import { loadParser } from "../schema/syntax-tree.js";

/** As many refused statements as a warning names. */
const NAMED = 5;
const SEARCH_PATH = searchPathOf(DEFAULT_SEARCH_PATH, "");

/**
 * What the statements of unsharded databases will be once these are sharded, found out beside the traffic.
 *
 * A database is rehearsed for the destination that a task names; before there is one, for that of `[[rehearsals]]`, and
 * where there are none of these and the configuration has one unsharded database and one sharded, the one for the other.
 */
export class Rehearsals {
  readonly #databases: () => readonly Database[];
  readonly #configured: () => ServeConfiguration["rehearsals"];
  readonly #report: (message: string) => void;
  /** By name of the unsharded database; undefined while it is being prepared, or cannot be. */
  readonly #rehearsals = new Map<string, { readonly target: string; rehearsal: Rehearsal | undefined }>();

  constructor(databases: () => readonly Database[], configured: () => ServeConfiguration["rehearsals"], report: (message: string) => void) {
    this.#databases = databases;
    this.#configured = configured;
    this.#report = report;
  }

  /** Begins with what the configuration has, and anew after a RELOAD: schemas may have changed. */
  start(): void {
    this.#rehearsals.clear();
    const configured = this.#configured();
    if (configured !== undefined) {
      for (const { database, destination } of configured) this.prepare(database, destination);
      return;
    }
    const databases = this.#databases();
    const sharded = databases.filter(isSharded);
    const unsharded = databases.filter((database) => !isSharded(database));
    if (sharded.length === 1 && unsharded.length === 1) this.prepare(unsharded[0]!.name, sharded[0]!.name);
  }

  /** Rehearses a database, by the name under which it is reached, for the shards it is to move to. */
  prepare(source: string, target: string): void {
    if (this.#rehearsals.get(source)?.target === target) return;
    const [from, to] = [source, target].map((name) => this.#databases().find((database) => database.name === name));
    if (from === undefined || to === undefined || isSharded(from)) return;
    const entry: { readonly target: string; rehearsal: Rehearsal | undefined } = { target, rehearsal: undefined };
    this.#rehearsals.set(source, entry);
    this.#open(from, to).then(
      (rehearsal) => { entry.rehearsal = rehearsal; },
      (error: unknown) => { this.#report(`The statements of ${source} are not rehearsed for ${target}: ${error instanceof Error ? error.message : String(error)}`); },
    );
  }

  /** A statement of a client, by its text. */
  observe(database: string, text: string): void {
    this.#rehearsals.get(database)?.rehearsal?.observe(text, SEARCH_PATH);
  }

  routes(): readonly RouteFigures[] {
    return [...this.#rehearsals].flatMap(([database, { rehearsal }]) => (rehearsal?.statements() ?? []).map((statement) => figures(database, statement)));
  }

  /** What an operator should know before the database is moved: statements that its shards will refuse. */
  warnings(database: string): readonly string[] {
    const rehearsal = this.#rehearsals.get(database)?.rehearsal;
    const refused = rehearsal?.statements().filter(({ future }) => future === "refused") ?? [];
    if (refused.length === 0) return [];
    const named = refused.slice(0, NAMED).map(({ text, calls, reason }) => `${text} (called ${calls} ${calls === 1 ? "time" : "times"}): ${reason ?? ""}`);
    return [`${refused.length} ${refused.length === 1 ? "statement" : "statements"} of ${database} will be refused by the shards; SHOW ROUTES lists them. ${named.join(" ")}`];
  }

  async #open(from: Database, to: Database): Promise<Rehearsal> {
    await loadParser();
    const client = await connect(from.shards[0]!.primary, { applicationName: "pg-reshard rehearsal", readOnly: true });
    try {
      const catalog = await readShardedCatalog(client, to.sharding, to.shards.length);
      return new Rehearsal(new StatementPlanner(asAfterCutover(catalog, "sharded")));
    } finally {
      await endQuietly(client);
    }
  }
}

/** A database that has shards or could have. */
function isSharded({ shards, sharding }: Database): boolean {
  return shards.length > 1 || sharding.tables.length > 0 || sharding.schemas.length > 0;
}

function figures(database: string, { text, calls, future, reason, remedy }: RehearsedStatement): RouteFigures {
  return { database, statement: text, calls, future, reason: reason === undefined ? undefined : remedy === undefined ? reason : `${reason} ${remedy}` };
}
