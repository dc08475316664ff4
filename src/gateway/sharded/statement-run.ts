import type { Portal } from "./prepared-statements.js";

/** What of a portal is to be done now, and what the client hears of it. */
export interface StatementRun {
  readonly portal: Portal;
  /** Of a simple Query: the client hears the rows' description, the rows and the tag. */
  readonly simple: boolean;
  /** ParseComplete is due, before all else: the statement is new. */
  readonly tellParse: boolean;
  /** It was told: the statement is there from now on, whatever becomes of its execution. */
  readonly onParseTold?: () => void;
  /** BindComplete is due: the portal is new. */
  readonly tellBind: boolean;
  /** RowDescription or NoData is due. */
  readonly describe: boolean;
  /** How many rows are asked for, 0: all; undefined: it is not executed yet. */
  readonly maxRows: number | undefined;
  /** Nothing else of the client belongs to its transaction, unless that has begun already. */
  readonly alone: boolean;
}
