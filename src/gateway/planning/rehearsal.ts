import { LeastRecentlyUsed } from "./least-recently-used.js";
import { normalizeStatement } from "./normalize-statement.js";
import type { StatementPlan, Where } from "./statement-plan.js";
import type { StatementPlanner } from "./statement-planner.js";

/** What a statement will be on the shards; from the best to the worst. */
export type Future = "session" | "one shard" | "omnisharded" | "several shards" | "all shards" | "refused";

const FUTURES: readonly Future[] = ["session", "one shard", "omnisharded", "several shards", "all shards", "refused"];

export interface RehearsedStatement {
  /** As `normalizeStatement` has it. */
  readonly text: string;
  readonly calls: number;
  /** Of texts that are alike but for their constants, the worst. */
  readonly future: Future;
  /** Where it is refused, or where it is so unless it is about one shard. */
  readonly reason: string | undefined;
  readonly remedy: string | undefined;
}

interface Entry {
  text: string;
  calls: number;
  future: Future;
  reason: string | undefined;
  remedy: string | undefined;
}

export interface RehearsalOptions {
  /** How many normalized statements are kept. Default 1000. */
  readonly limit?: number;
  /** Runs work when nothing else is to do. Default `setImmediate`. */
  readonly later?: (work: () => void) => void;
}

/** Texts that wait to be planned, and characters of those that were: what comes beyond is counted, not planned. */
const MOST_WAITING = 1000;
const KNOWN_CHARACTERS = 2 ** 20;
/** Planned at a time, before other work has its turn. */
const AT_ONCE = 5;

/** Plans the statements of a database that is still unsharded as its shards would have to run them, beside its traffic. */
export class Rehearsal {
  readonly #entries: LeastRecentlyUsed<string, Entry>;
  /** Which entries a text was found to be. */
  readonly #known = new LeastRecentlyUsed<string, readonly Entry[]>(KNOWN_CHARACTERS);
  readonly #waiting = new Map<string, { readonly text: string; readonly searchPath: readonly string[]; calls: number }>();
  readonly #later: (work: () => void) => void;
  #busy = false;
  #missed = 0;

  /** @param planner of a catalog as it will be: see `asAfterCutover` */
  constructor(
    readonly planner: StatementPlanner,
    { limit = 1000, later = setImmediate }: RehearsalOptions = {},
  ) {
    this.#entries = new LeastRecentlyUsed(limit);
    this.#later = later;
  }

  /** Statements that came while too many waited. */
  get missed(): number {
    return this.#missed;
  }

  /** Counts a text of a client, and plans it later where it is new. Costs a look-up. */
  observe(text: string, searchPath: readonly string[]): void {
    const key = `${searchPath.join(",")}\0${text}`;
    const known = this.#known.get(key);
    if (known !== undefined) {
      for (const entry of known) entry.calls++;
      return;
    }
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) waiting.calls++;
    else if (this.#waiting.size >= MOST_WAITING) this.#missed++;
    else this.#waiting.set(key, { text, searchPath, calls: 1 });
    if (this.#busy) return;
    this.#busy = true;
    this.#later(() => { this.#work(); });
  }

  /** Those most often called first. */
  statements(): readonly RehearsedStatement[] {
    return this.#entries.values().sort((a, b) => b.calls - a.calls).map((entry) => ({ ...entry }));
  }

  #work(): void {
    for (const [key, { text, searchPath, calls }] of [...this.#waiting].slice(0, AT_ONCE)) {
      this.#waiting.delete(key);
      const entries = this.#rehearse(text, searchPath);
      for (const entry of entries) entry.calls += calls;
      this.#known.set(key, entries, key.length);
    }
    if (this.#waiting.size > 0) this.#later(() => { this.#work(); });
    else this.#busy = false;
  }

  #rehearse(text: string, searchPath: readonly string[]): Entry[] {
    const planned = this.planner.plan(text, searchPath);
    // What PostgreSQL cannot read has no future.
    if ("failure" in planned) return [];
    return planned.statements.map(({ statement, plan }) => {
      const normalized = normalizeStatement(statement.text);
      const entry: Entry = this.#entries.get(normalized) ?? { text: normalized, calls: 0, future: "session", reason: undefined, remedy: undefined };
      const future = futureOf(plan);
      if (FUTURES.indexOf(future) >= FUTURES.indexOf(entry.future)) Object.assign(entry, { future, ...condition(plan) });
      this.#entries.set(normalized, entry);
      return entry;
    });
  }
}

/** What a plan comes to. */
export function futureOf(plan: StatementPlan): Future {
  switch (plan.kind) {
    case "refused":
      return "refused";
    case "session":
    case "transaction":
      return "session";
    case "insert-everywhere":
      return "omnisharded";
    case "split-insert":
      return "several shards";
    case "copy-in":
      return plan.where.kind === "every" ? "omnisharded" : plan.where.kind === "key" ? "several shards" : "one shard";
    case "routed":
      return plan.everywhere.length > 0 || (plan.where.kind !== "keys" && plan.gather.kind === "same" && plan.where.kind !== "fixed" && plan.where.kind !== "cursor") ? "omnisharded" : placeOf(plan.where);
  }
}

function placeOf(where: Where): Future {
  if (where.kind === "every") return "all shards";
  if (where.kind !== "keys") return "one shard";
  const [set, ...others] = where.sets;
  return others.length > 0 || (set?.values.length === 1 && set.values[0]!.kind !== "elements") ? "one shard" : "several shards";
}

function condition(plan: StatementPlan): Pick<Entry, "reason" | "remedy"> {
  if (plan.kind === "refused") return { reason: plan.reason, remedy: plan.remedy };
  if (plan.kind === "routed" && plan.gather.kind === "one-shard-only" && placeOf(plan.where) === "several shards") return { reason: `If its keys are on several shards: ${plan.gather.reason}`, remedy: plan.gather.remedy };
  if (plan.kind === "routed" && plan.where.kind === "keys" && plan.where.sets.length > 1) return { reason: "It is refused where its keys are on several shards.", remedy: "Use one and the same key." };
  return { reason: undefined, remedy: undefined };
}
