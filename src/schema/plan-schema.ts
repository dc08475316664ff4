import type { TableName } from "../postgres/identifiers.js";
import { classifyStatement } from "./classify-statement.js";
import { type Draft, relationKey } from "./draft.js";
import { keyRelations } from "./key-relations.js";
import { keyUnits } from "./key-units.js";
import { refreshStatement } from "./refresh-statement.js";
import type { Phase, PlannedStatement, SchemaPlan } from "./schema-plan.js";
import { splitStatements } from "./split-statements.js";
import { loadParser, parseStatement } from "./syntax-tree.js";

interface DraftedStatement extends Draft {
  readonly original: string;
}

/**
 * Plans a dump: every statement of it is in exactly one phase, with a reason. Pure but for loading the parser.
 */
export async function planSchema(dump: string): Promise<SchemaPlan> {
  await loadParser();
  const drafts = splitStatements(dump).map(({ sql, meta }): DraftedStatement => ({
    original: sql,
    ...(meta ? { phase: "skip", kind: "psql command", reason: "for psql, not for a server" } : classifyStatement(parseStatement(sql), sql)),
  }));
  return arrange(drafts);
}

/** Settles what depends on other statements: replica identity, what pg_dump itself postponed, and what follows its object. */
function arrange(drafts: readonly DraftedStatement[]): SchemaPlan {
  const keys = keyRelations(drafts);
  // pg_dump's own border between pre-data and post-data.
  const border = drafts.findIndex((draft) => draft.presence?.type === "index" || draft.presence?.type === "constraint");
  const phases = new Map<string, Phase>();
  const statements = drafts.map((draft, position): PlannedStatement => {
    const settled = settle(draft, { keys, phases, postponed: border >= 0 && position > border });
    for (const key of draft.makes ?? []) phases.set(key, settled.phase);
    const hoisted = settled.phase === "post" && PARALLEL_KINDS.has(draft.kind) && !(draft.follows ?? []).some((key) => phases.get(key) === "post");
    return {
      position,
      sql: draft.sql ?? draft.original,
      original: draft.original,
      ...settled,
      kind: draft.kind,
      ...(draft.object === undefined ? {} : { object: draft.object }),
      ...(draft.table === undefined ? {} : { table: draft.table }),
      roles: draft.roles ?? [],
      ...(draft.presence === undefined ? {} : { presence: draft.presence }),
      parallel: hoisted,
    };
  });
  const of = (phase: Phase): PlannedStatement[] => statements.filter((statement) => statement.phase === phase);
  const post = of("post");
  const eventTriggers = new Set(drafts.flatMap((draft) => (draft.kind === "event trigger" ? (draft.makes ?? []) : [])));
  const last = ({ position }: PlannedStatement): boolean => {
    const { makes = [], follows = [] } = drafts[position]!;
    return [...makes, ...follows].some((key) => eventTriggers.has(key));
  };
  const tables = new Map(drafts.flatMap((draft) => (draft.table === undefined ? [] : (draft.makes ?? []).map((made) => [made, draft.table!] as const))));
  const key = of("key").map((statement) => withTable(statement, tables));
  return {
    statements: [
      ...of("pre"),
      ...key,
      ...post.filter((statement) => statement.parallel),
      ...post.filter((statement) => !statement.parallel && !last(statement)),
      ...statements.filter((statement) => statement.kind === "materialized view" && statement.phase !== "skip").map(refreshStatement),
      ...post.filter(last),
      ...of("skip"),
    ],
    keyUnits: keyUnits(key, drafts),
  };
}

/** Builds that only read their table's rows and depend on no other statement of the phase. */
const PARALLEL_KINDS = new Set(["index", "unique constraint", "exclusion constraint"]);

interface Surroundings {
  /** Relations (indexes) that keys and replica identities need. */
  readonly keys: ReadonlySet<string>;
  /** Phases of the objects made so far. */
  readonly phases: ReadonlyMap<string, Phase>;
  /** After pg_dump's border between pre-data and post-data. */
  readonly postponed: boolean;
}

function settle(draft: Draft, { keys, phases, postponed }: Surroundings): { phase: Phase; reason: string } {
  const own = { phase: draft.phase, reason: draft.reason };
  const followed = (draft.follows ?? []).map((key) => phases.get(key) ?? "pre");
  if (draft.phase === "skip") return own;
  if (followed.includes("skip")) return { phase: "skip", reason: "its object is not carried" };
  if (draft.attaches !== undefined && draft.kind === "index attachment") {
    return followed.every((phase) => phase === "key") ? { phase: "key", reason: "completes the key of a partitioned table" } : own;
  }
  if (draft.phase === "key") return own;
  if (draft.phase === "post") {
    const needed = PARALLEL_KINDS.has(draft.kind) && (draft.makes ?? []).some((key) => keys.has(key));
    return needed ? { phase: "key", reason: "a replica identity needs it" } : own;
  }
  if (postponed && POSTPONABLE_KINDS.has(draft.kind)) return { phase: "post", reason: "pg_dump places it after the keys: it depends on one" };
  if (followed.includes("post") || followed.includes("key")) return { phase: "post", reason: "its object is made after the rows" };
  return own;
}

/** Kinds that pg_dump moves behind the keys where a query in them groups by a primary key. */
const POSTPONABLE_KINDS = new Set(["view", "materialized view", "function", "procedure", "aggregate"]);

/** An index attachment names indexes only; the table is that of the attached index. */
function withTable(statement: PlannedStatement, tables: ReadonlyMap<string, TableName>): PlannedStatement {
  if (statement.table !== undefined || statement.object === undefined) return statement;
  const table = tables.get(relationKey(statement.object));
  return table === undefined ? statement : { ...statement, table };
}
