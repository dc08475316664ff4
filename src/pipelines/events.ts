import type { IndexProgress } from "../postgres/index-progress.js";
import type { TableName } from "../postgres/identifiers.js";
import type { Lsn } from "../postgres/lsn.js";
import type { CutoverStep } from "../progress/cutover-journal.js";
import type { PlannedStatement } from "../schema/schema-plan.js";
import type { TableVerdict } from "./table-verdict.js";

/** A statement of the schema, for whoever shows it. */
export type SchemaStatement = Pick<PlannedStatement, "kind" | "object" | "table" | "sql">;

/** One source shard's rows of one table, before they are copied. */
export interface PlannedCopy extends TableName {
  /** As the table is called in other events. */
  readonly table: string;
  readonly sourceShard?: number;
  readonly estimatedRows: number;
  /** The statement that reads them. */
  readonly sql: string;
}

/** What a run tells while it goes on. Numbers are totals so far; bytes are payload bytes. */
export type PipelineEvent =
  | { readonly type: "note"; readonly message: string }
  | { readonly type: "stage-started"; readonly stage: string }
  | { readonly type: "stage-finished"; readonly stage: string; readonly milliseconds: number; readonly skipped?: boolean }
  /** Retryable trouble; the work is tried again after `delay` milliseconds. */
  | { readonly type: "retry"; readonly what: string; readonly reason: string; readonly attempt: number; readonly delay: number }
  /** What a phase of the schema is about to do on a shard; again at each attempt. */
  | { readonly type: "schema-planned"; readonly phase: string; readonly shard: number; readonly statements: readonly SchemaStatement[] }
  /** A statement began or ended, `done` of `total` have ended. `index` is its place among those planned, `object` what it makes. */
  | { readonly type: "schema-statement"; readonly phase: string; readonly shard: number; readonly index: number; readonly state: "running" | "done" | "failed"; readonly kind: string; readonly object?: string; readonly sql: string; readonly done: number; readonly total: number; readonly message?: string }
  /** How far a statement is that builds an index: the server's words for the step it is at, and the share done of that step. */
  | ({ readonly type: "index-progress"; readonly phase: string; readonly shard: number; readonly index: number } & IndexProgress)
  /** `planned` in the order in which they begin. */
  | { readonly type: "copy-started"; readonly tables: number; readonly rows: number; readonly bytes: number; readonly planned: readonly PlannedCopy[] }
  /** `sourceShard` is given where there are several; then each brings its rows of the table. `standby`: read from there. */
  | { readonly type: "table-progress"; readonly table: string; readonly sourceShard?: number; readonly rows: number; readonly bytes: number; readonly estimatedRows: number }
  | { readonly type: "table-copied"; readonly table: string; readonly sourceShard?: number; readonly rows: number; readonly bytes: number; readonly milliseconds: number; readonly resumed: boolean; readonly standby?: string }
  | { readonly type: "table-key-built"; readonly table: string; readonly milliseconds: number }
  /** Positions of one source shard's stream; `lag` in bytes of WAL. */
  | { readonly type: "stream-progress"; readonly sourceShard: number; readonly applied: Lsn; readonly source: Lsn; readonly lag: number; readonly changes: number }
  | { readonly type: "caught-up"; readonly sourceShard: number; readonly position: Lsn }
  /** A cutover's step; `migration` tells the direction. `message`: why it failed. */
  | { readonly type: "cutover-step"; readonly migration: string; readonly step: CutoverStep; readonly state: "began" | "done" | "failed"; readonly milliseconds?: number; readonly message?: string }
  /** `paused`: milliseconds that applications waited; undefined where they did not, or nobody knows any more. */
  | { readonly type: "cutover-ended"; readonly migration: string; readonly outcome: "done" | "aborted"; readonly from: string; readonly to: string; readonly paused?: number; readonly reason?: string }
  /** What one of the pipeline's own operators has counted so far, at the end of a stage. */
  | { readonly type: "operator-figures"; readonly operator: string; readonly figures: Readonly<Record<string, number>> }
  | { readonly type: "verify-started"; readonly tables: number; readonly position: Lsn | undefined }
  | { readonly type: "table-verified"; readonly verdict: TableVerdict };

export type Report = (event: PipelineEvent) => void;
