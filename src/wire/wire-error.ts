export type Severity = "ERROR" | "FATAL" | "PANIC";

export interface WireErrorDetails {
  /** FATAL ends the session; default ERROR. */
  readonly severity?: Severity;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  /** All fields of the server's ErrorResponse, by their letter (manual, "Error and Notice Message Fields"). */
  readonly fields?: ReadonlyMap<string, string>;
  readonly cause?: unknown;
}

/** An error as PostgreSQL's protocol has it: told to a client, or heard from a server. */
export class WireError extends Error {
  override readonly name = "WireError";
  /** Five characters (manual, appendix A). */
  readonly sqlState: string;
  readonly severity: Severity;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly fields: ReadonlyMap<string, string> | undefined;

  constructor(sqlState: string, message: string, details: WireErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.sqlState = sqlState;
    this.severity = details.severity ?? "ERROR";
    this.detail = details.detail;
    this.hint = details.hint;
    this.fields = details.fields;
  }

  /** As node-postgres names it. */
  get code(): string {
    return this.sqlState;
  }

  /** True where the session ends with it. */
  get fatal(): boolean {
    return this.severity !== "ERROR";
  }
}

/** A connection that ended or broke: 08006. */
export function connectionLost(what: string, cause?: unknown): WireError {
  return new WireError("08006", what, { severity: "FATAL", cause });
}
