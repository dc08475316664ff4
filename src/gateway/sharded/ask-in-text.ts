import { type FieldDescription, parseCommandComplete, parseDataRow, parseRowDescription } from "../../wire/backend-messages.js";
import { Backend, type Message } from "../../wire/message.js";
import { WireError } from "../../wire/wire-error.js";

/** A session on a server; see `ShardSession`. */
interface Asked {
  query(sql: string): Promise<void>;
  next(): Promise<Message>;
  finish(): Promise<WireError | undefined>;
}

export interface TextAnswer {
  /** The last statement's. */
  readonly tag: string;
  /** Of the last statement that has some. */
  readonly fields: readonly FieldDescription[];
  /** Of all statements. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/**
 * Runs a Query of our own.
 *
 * Fails with the server's error; the session is of use again then, unless it is fatal.
 */
export async function askInText(session: Asked, sql: string): Promise<TextAnswer> {
  await session.query(sql);
  let tag = "";
  let fields: readonly FieldDescription[] = [];
  const rows: (string | null)[][] = [];
  try {
    for (;;) {
      const message = await session.next();
      switch (message.type) {
        case Backend.commandComplete:
          tag = parseCommandComplete(message);
          break;
        case Backend.rowDescription:
          fields = parseRowDescription(message);
          break;
        case Backend.dataRow:
          rows.push(parseDataRow(message).map((value) => value?.toString() ?? null));
          break;
        case Backend.readyForQuery:
          return { tag, fields, rows };
        default:
      }
    }
  } catch (error) {
    if (error instanceof WireError && !error.fatal) await session.finish();
    throw error;
  }
}
