import { parseDataRow, parseErrorResponse } from "./backend-messages.js";
import { queryMessage } from "./frontend-messages.js";
import { Backend, type Message } from "./message.js";
import type { ServerSession } from "./open-server.js";
import { connectionLost, type WireError } from "./wire-error.js";

/** Rows of text, of one statement. */
export type TextRows = readonly (readonly (string | null)[])[];

/**
 * Runs one simple Query, which may have several statements, on a session that nobody else uses now. Gives the rows of
 * each statement that has any, in order. Fails with the server's error. For few rows.
 *
 * @param aside - hears what does not belong to the answer: NotificationResponse, ParameterStatus, NoticeResponse.
 */
export async function runQuery(server: ServerSession, text: string, aside: (message: Message) => void = () => undefined): Promise<TextRows[]> {
  await server.stream.write(queryMessage(text));
  const results: (string | null)[][][] = [];
  let failure: WireError | undefined;
  for (;;) {
    const message = await server.stream.read();
    if (message === undefined) throw failure ?? connectionLost("the server closed the connection");
    switch (message.type) {
      case Backend.rowDescription:
        results.push([]);
        break;
      case Backend.dataRow:
        results.at(-1)?.push(parseDataRow(message).map((value) => value?.toString() ?? null));
        break;
      case Backend.errorResponse:
        failure ??= parseErrorResponse(message);
        break;
      case Backend.readyForQuery:
        if (failure !== undefined) throw failure;
        return results;
      case Backend.notificationResponse:
      case Backend.parameterStatus:
      case Backend.noticeResponse:
        aside(message);
        break;
      default:
    }
  }
}
