/** What the runner may do about a failure; see `ReshardError`. */
export type ErrorKind =
  /** Passing trouble (a lost connection, a restart, a deadlock): backed off and tried again. */
  | "retry"
  /** A person has to change something; everything stays resumable. */
  | "operator"
  /** A fault of pg-reshard itself: the stack is shown. */
  | "defect";

/** Where a failure happened, as far as it is known. */
export interface ErrorPlace {
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
  /** `host:port/database`, never with a password. */
  readonly server?: string;
  readonly table?: string;
  readonly lsn?: string;
}

export interface ErrorDetails {
  /** What the operator should do next: one or two sentences, with the command or SQL to run. */
  readonly remedy?: string;
  readonly kind?: ErrorKind;
  readonly place?: ErrorPlace;
  readonly cause?: unknown;
}

/**
 * The one error that users see. `code` is stable and in SCREAMING_SNAKE_CASE;
 * `message` says what happened, `remedy` what to do about it.
 */
export class ReshardError extends Error {
  override readonly name = "ReshardError";
  readonly code: string;
  readonly kind: ErrorKind;
  readonly remedy: string | undefined;
  readonly place: ErrorPlace;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.kind = details.kind ?? "operator";
    this.remedy = details.remedy;
    this.place = details.place ?? {};
  }
}

/** Fails loudly on a state that the code holds to be impossible. */
export function defect(message: string): ReshardError {
  return new ReshardError("DEFECT", message, {
    kind: "defect",
    remedy: "This is a fault of pg-reshard. Nothing was acknowledged past it; please report it with the stack.",
  });
}
