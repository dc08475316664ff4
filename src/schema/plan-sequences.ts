import type { SequenceStrategy, ShardingRules } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayName, tableId, type TableName } from "../postgres/identifiers.js";
import type { Sequence, SequenceColumn } from "../postgres/sequences.js";
import { routeOfTable, ruleOfTable } from "../sharding/route-of-table.js";
import { isKeyDefault, isPlainDefault, KEY_FUNCTION_BODY, KEY_FUNCTION_STATEMENTS, keyDefault, plainDefault } from "./key-function.js";
import type { PlannedStatement } from "./schema-plan.js";
import { isMoved, moveSequence, type Numbers, type SequenceMove, sourceSequence } from "./sequence-move.js";
import { defaultStatement, moveReason, moveStatement, replaceIdentityStatement } from "./sequence-statements.js";
import { listed } from "../words.js";

/**
 * How many steps beyond the source's next number the shards begin: what sessions of the source may still draw while it
 * is being left, and a gap that shows where the shards began.
 */
export const SEQUENCE_MARGIN = 1000n;

/** What the catalog of one shard says. */
export interface ShardSequences {
  readonly sequences: readonly Sequence[];
  readonly columns: readonly SequenceColumn[];
  /** `pg_proc.prosrc` of `reshard.next_key`, where it is there. */
  readonly keyFunction: string | undefined;
}

export interface SequenceFacts {
  /** The sequences of each shard of the source. */
  readonly sources: readonly (readonly Sequence[])[];
  readonly shards: readonly ShardSequences[];
  /** The destination's. */
  readonly sharding: ShardingRules;
  readonly strategy: SequenceStrategy;
  /** In steps of the sequences. Default `SEQUENCE_MARGIN`. */
  readonly margin?: bigint;
}

export interface ShardSequencesPlan {
  /** In the order in which they run. */
  readonly statements: readonly PlannedStatement[];
  /** Sequences and sharding keys that are as they should be. */
  readonly present: number;
  /** What the sequences become, by `tableId`. */
  readonly moves: ReadonlyMap<string, SequenceMove>;
}

export interface SequencesPlan {
  /** By number of the shard. */
  readonly shards: readonly ShardSequencesPlan[];
  /** What a person should know, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * What has to run on each shard so that they share the numbers of the source's sequences: nothing where that is so
 * already. It never moves a sequence backwards.
 *
 * Sequences of omnisharded tables alone are the same on all shards under every strategy: one INSERT is run on all of
 * them, and numbers of each shard's own would make the copies of a row differ silently, while a number drawn twice is
 * refused by the key. Every other sequence is interleaved, also one that no table uses: nobody can tell where its numbers
 * go. Under `sharded` that holds for sharding keys too, beside the drawing, since applications draw by themselves as well.
 */
export function planSequences(facts: SequenceFacts): SequencesPlan {
  const notes = new Notes();
  const uses = sequenceUses(facts, notes);
  const sources = bySequence(facts.sources);
  const everywhere = bySequence(facts.shards.map(({ sequences }) => sequences));
  const shards = facts.shards.map((shard, number): ShardSequencesPlan => {
    const missing = new Set(sources.keys());
    const moves = new Map<string, SequenceMove>();
    const statements: PlannedStatement[] = [];
    let present = 0;
    for (const sequence of shard.sequences) {
      const id = tableId(sequence);
      const origins = sources.get(id);
      missing.delete(id);
      if (origins === undefined) continue;
      const source = sourceSequence(origins, facts.sources.length);
      const numbers: Numbers = facts.strategy === "same" || facts.shards.length === 1 || uses.get(id)?.onlyOmnisharded === true ? { kind: "same" } : { kind: "interleaved", shards: facts.shards.length, shard: number };
      const move = moveSequence(sequence, source, numbers, facts.margin ?? SEQUENCE_MARGIN, everywhere.get(id)!);
      moves.set(id, move);
      if (move.first === undefined) notes.add(source.cycle ? "at their end, and go round from there" : "have no number left, as on the source or because the shards share what there is", displayName(sequence));
      else if (move.withoutMargin) notes.add("end within the margin, which was left out", displayName(sequence));
      if (source.cycle) notes.add("go round (CYCLE): their numbers come again on each shard, as on the source, and one that is moved again after it went round leaves numbers out", displayName(sequence));
      if (isMoved(sequence, move)) present++;
      else statements.push(planned("sequence", sequence, moveStatement(sequence, move), moveReason(sequence, move, source.next)));
    }
    for (const id of missing) notes.add("are on the source and missing on a shard: run schema-sync first, if they should be there", displayName(sources.get(id)![0]!));
    const keys = keyStatements(facts, number, moves, notes);
    const prepare = keys.drawing && shard.keyFunction !== KEY_FUNCTION_BODY;
    const all = [...(prepare ? KEY_FUNCTION_STATEMENTS.map(({ kind, name, sql, reason }) => planned(kind, { schema: name === "" ? "" : "reshard", name: name === "" ? "reshard" : name }, sql, reason)) : []), ...statements, ...keys.statements];
    return { statements: all.map((statement, position) => ({ ...statement, position })), present: present + keys.present, moves };
  });
  return { shards, notes: notes.texts() };
}

interface SequenceUse {
  readonly onlyOmnisharded: boolean;
}

/** Which sequences are drawn from for omnisharded tables only. */
function sequenceUses({ shards, sharding }: SequenceFacts, notes: Notes): Map<string, SequenceUse> {
  const uses = new Map<string, { sequence: TableName; kinds: Set<string> }>();
  for (const column of shards.flatMap(({ columns }) => columns)) {
    const use = uses.get(tableId(column.sequence)) ?? { sequence: column.sequence, kinds: new Set<string>() };
    uses.set(tableId(column.sequence), use);
    use.kinds.add(routeKind(column, sharding, shards.length, notes));
  }
  return new Map(
    [...uses].map(([id, { sequence, kinds }]) => {
      const omnisharded = kinds.has("omnisharded");
      if (omnisharded && kinds.size > 1) notes.add("serve both omnisharded and sharded tables and are interleaved: rows of the omnisharded ones need their numbers from the application", displayName(sequence));
      return [id, { onlyOmnisharded: omnisharded && kinds.size === 1 }];
    }),
  );
}

function routeKind(column: SequenceColumn, sharding: ShardingRules, shards: number, notes: Notes): string {
  try {
    return routeOfTable({ ...column.root, columns: column.columns }, sharding, shards).kind;
  } catch (error) {
    // A table that is not published may not fit the rules; its numbers must not collide all the same.
    if (!(error instanceof ReshardError)) throw error;
    notes.add("do not fit the sharding rules; their sequences are interleaved", displayName(column.root));
    return "unknown";
  }
}

/** Statements for columns whose default has to change. */
function keyStatements({ shards, sharding, strategy }: SequenceFacts, shard: number, moves: ReadonlyMap<string, SequenceMove>, notes: Notes): { readonly statements: readonly PlannedStatement[]; readonly present: number; readonly drawing: boolean } {
  const statements: PlannedStatement[] = [];
  let present = 0;
  let drawing = false;
  const { sequences, columns } = shards[shard]!;
  const named = new Map(sequences.map((sequence) => [tableId(sequence), sequence]));
  for (const column of columns) {
    const move = moves.get(tableId(column.sequence));
    const sequence = named.get(tableId(column.sequence));
    if (move === undefined || sequence === undefined) continue;
    const { expression, identity, sequenceText } = column;
    const ours = expression !== undefined && isKeyDefault(expression, sequenceText);
    const plain = expression !== undefined && isPlainDefault(expression, sequenceText);
    const label = `${displayName(column)}.${column.column}`;
    const unfit = strategy === "sharded" && shards.length > 1 ? whyNotDrawn(column, sharding, shards.length) : "not wanted";
    if (unfit === undefined && (ours || plain || identity !== undefined)) {
      drawing = true;
      const wanted = keyDefault(sequenceText, shards.length, shard);
      if (expression === wanted) present++;
      else if (identity === undefined) statements.push(planned("sharding key", column, defaultStatement(column, column.column, wanted), `each new ${column.column} belongs to the shard that makes it`, column));
      else {
        if (identity === "always") notes.add("were GENERATED ALWAYS and accept given values from now on: an identity cannot choose its numbers", label);
        statements.push(planned("sharding key", column, replaceIdentityStatement(column, sequence, move, wanted), `each new ${column.column} belongs to the shard that makes it; an identity cannot choose its numbers`, column));
      }
      continue;
    }
    if (unfit === undefined && expression !== undefined) notes.add("are sharding keys made out of a sequence in another way than by nextval alone: rows may be made on another shard than theirs", label);
    else if (unfit !== undefined && unfit !== "not wanted" && unfit !== "no key") notes.add(`are sharding keys ${unfit}: their numbers are interleaved, and rows may be made on another shard than theirs`, label);
    if (ours) statements.push(planned("sharding key", column, defaultStatement(column, column.column, plainDefault(sequenceText)), `each new ${column.column} is the next number, whatever shard it belongs to`, column));
  }
  return { statements, present, drawing };
}

/** Why a column's numbers cannot be drawn until they fit their shard: only PostgreSQL's own hash can be asked for on the shard. */
function whyNotDrawn(column: SequenceColumn, sharding: ShardingRules, shards: number): string | undefined {
  const table = { ...column.root, columns: column.columns };
  try {
    const route = routeOfTable(table, sharding, shards);
    if (route.kind !== "key" || route.column !== column.column) return "no key";
  } catch {
    return "no key"; // noted by routeKind
  }
  const rule = ruleOfTable(table, sharding.tables)!;
  if (rule.mapping.length > 0) return "of lists or ranges";
  if (rule.hasher !== "postgres") return `of the hasher ${rule.hasher}`;
  return rule.dataType === "bigint" ? undefined : `of type ${rule.dataType}`;
}

function bySequence(lists: readonly (readonly Sequence[])[]): Map<string, Sequence[]> {
  const found = new Map<string, Sequence[]>();
  for (const sequence of lists.flat()) found.set(tableId(sequence), [...(found.get(tableId(sequence)) ?? []), sequence]);
  return found;
}

function planned(kind: string, object: TableName, sql: string, reason: string, table?: TableName): PlannedStatement {
  return {
    position: 0, sql, original: undefined, phase: "cutover", kind, reason, roles: [], parallel: false,
    object: { schema: object.schema, name: object.name },
    ...(table === undefined ? {} : { table: { schema: table.schema, name: table.name } }),
  };
}

/** What is to be said of several things is said once. */
class Notes {
  readonly #subjects = new Map<string, Set<string>>();

  add(text: string, subject: string): void {
    this.#subjects.set(text, (this.#subjects.get(text) ?? new Set()).add(subject));
  }

  texts(): string[] {
    return [...this.#subjects].map(([text, subjects]) => {
      const names = [...subjects];
      return `These ${text}: ${listed(names)}.`;
    });
  }
}
