import type { Writable } from "node:stream";
import type { ChangeBatch } from "../../change-batch.js";
import type { General, ServerAddress } from "../../config/types.js";
import type { Sink, Source } from "../../flow.js";
import type { OperatorChain } from "../../operators/operator-chain.js";
import type { PublishedTable } from "../../postgres/catalog.js";
import type { Lsn } from "../../postgres/lsn.js";
import type { ValueFormat } from "../../postgres/value-format.js";
import type { RowBatch } from "../../row-batch.js";
import type { TableShape } from "../../table-batch.js";
import type { Report } from "../events.js";
import type { PipelineOperators } from "../pipeline-operators.js";
import type { Sessions } from "../sessions.js";
import type { ChangedRelations } from "./changed-relations.js";
import type { SourceLookup } from "./source-lookup.js";

/** What a flow works with. */
export interface FlowSurroundings {
  readonly general: General;
  readonly report: Report;
  /** Aborted when the operator asks to stop. */
  readonly signal: AbortSignal;
  /** What a sink writes to whose path is "-"; the process's own where absent. */
  readonly stdout?: Writable;
}

/** What a flow's source and sink work with. */
export interface FlowContext extends Required<FlowSurroundings> {
  readonly sessions: Sessions;
  /** Makes the stage's operators for a table. */
  readonly chainOf: (table: TableShape) => OperatorChain | undefined;
  /** See `PipelineOperators.paced`. */
  readonly paced: PipelineOperators["paced"];
}

/** Rows of one table. */
export interface RowsSource {
  readonly kind: "rows";
  readonly table: PublishedTable;
  /** The rows are in this format, which cannot be chosen. */
  readonly format?: ValueFormat;
  /** How they are read, for people: a statement, or a file. */
  readonly statement: string;
  /** Found to be other rows than those of the last run where it differs. */
  readonly version: string;
  rows(format: ValueFormat): Source<RowBatch, Lsn>;
}

/** Changes of one publication on one server. */
export interface ChangesSource {
  readonly kind: "changes";
  readonly server: ServerAddress;
  readonly sourceShard: number;
  /** `server_version_num`. */
  readonly version: number;
  readonly publication: string;
  readonly tables: readonly PublishedTable[];
  readonly slot: string;
  readonly until: "caught-up" | "stopped";
  /** Makes the slot where it is missing and may be made. @param begun changes of it have arrived before */
  ensureSlot(begun: boolean): Promise<void>;
}

export type FlowSource = RowsSource | ChangesSource;

/** What a sink is told of the rows that it will get. */
export interface RowsToCome {
  /** As it is behind the operators. */
  readonly table: PublishedTable;
  readonly chain: OperatorChain | undefined;
  readonly version: string;
}

/** A sink made ready for rows. */
export interface RowsSink {
  /** What the rows had best be in. */
  readonly format: ValueFormat;
  /** One attempt. Undefined: nothing is left to be done. */
  attempt(format: ValueFormat): Promise<Sink<RowBatch, Lsn> | undefined>;
  /** After the last: puts away what it left. */
  close(): Promise<void>;
}

/** What a sink is told of the changes that it will get. */
export interface ChangesToCome {
  readonly source: ChangesSource;
  readonly relations: ChangedRelations;
  readonly format: ValueFormat;
  readonly lookup: SourceLookup;
}

/** A sink made ready for changes. */
export interface ChangesSink {
  /** True where it has something of the stream already. */
  hasBegun(): Promise<boolean>;
  /** One attempt: everything that committed before `position` is there already. */
  attempt(): Promise<{ readonly position: Lsn; readonly sink: Sink<ChangeBatch, Lsn> }>;
  /** After the last: puts away what it left. */
  close(): Promise<void>;
}

export interface FlowSink {
  /** It reads values as texts. */
  readonly wantsText: boolean;
  /** False: what an attempt has given out cannot be taken back. */
  readonly repeatable: boolean;
  /** It writes to standard output. */
  readonly toStdout: boolean;
  rows(rows: RowsToCome): Promise<RowsSink>;
  changes(changes: ChangesToCome): Promise<ChangesSink>;
}
