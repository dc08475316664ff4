import type { TableName } from "../../postgres/identifiers.js";
import type { Node } from "../../schema/syntax-tree.js";
import type { Distribution, Obstacle } from "./distribution.js";
import type { Effect } from "./function-effects.js";
import type { ScopeColumn } from "./scope-column.js";
import type { Level } from "./scope.js";
import type { Gather } from "./statement-plan.js";
import type { ShardedCatalog } from "./sharded-catalog.js";

/** What is known of a query, of any depth: SELECT, VALUES, or a change with its RETURNING. */
export interface QueryAnalysis {
  /** Of its rows, as something larger reads them. */
  readonly distribution: Distribution;
  /** Of its rows before they are grouped, made distinct, cut: what a gateway can still do over several shards' answers. */
  readonly rows: Distribution;
  /** undefined where they cannot be known. */
  readonly columns: readonly ScopeColumn[] | undefined;
  /** How several shards' answers become the client's, where it is the whole statement. */
  gathering(): Gathering | Obstacle;
}

export interface Gathering {
  readonly gather: Gather;
  /** Sent to several shards instead; the statement's tree, changed. */
  readonly tree?: Node;
}

/** What is gathered while a statement is looked at, of all its parts. */
export interface StatementFacts {
  readonly effects: Set<Effect>;
  /** Omnisharded tables that it changes. */
  readonly everywhere: TableName[];
  /** Of each change in a WITH: it happens whether its rows are read or not. */
  readonly changes: Distribution[];
  /** It changes rows of tables that are not omnisharded. */
  changesSharded: boolean;
  /** It locks rows (FOR UPDATE and the like). */
  locks: boolean;
  locksOmnisharded: boolean;
  /** It leaves values of an omnisharded table to defaults that each shard computes for itself. */
  ownDefaults: boolean;
  /** WHERE CURRENT OF. */
  cursor: string | undefined;
  /** Relations that the catalog does not know. */
  readonly missing: TableName[];
  /** It has a constant such as 'now', which is the moment's time where it becomes a date or time. */
  timeWords: boolean;
}

/** What looks at a statement share. */
export interface Context {
  readonly catalog: ShardedCatalog;
  readonly searchPath: readonly string[];
  readonly facts: StatementFacts;
  /** Looks at a query inside of a statement; of a view, along a search path of its own. */
  analyse(query: Node, parent: Level | undefined, searchPath?: readonly string[]): QueryAnalysis;
}
