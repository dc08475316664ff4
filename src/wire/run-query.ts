import { parseDataRow, parseErrorResponse } from "./backend-messages.js";
import { queryMessage, syncMessage } from "./frontend-messages.js";
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

/**
 * Sends messages of the extended protocol and a Sync, on a session that nobody else uses now. Gives the answers up to
 * ReadyForQuery; fails with the server's error.
 *
 * @param aside - as for `runQuery`.
 */
export async function runBatch({ stream }: ServerSession, messages: readonly Buffer[], aside: (message: Message) => void = () => undefined): Promise<Message[]> {
  await stream.write([...messages, syncMessage]);
  const answers: Message[] = [];
  let failure: WireError | undefined;
  for (;;) {
    const message = await stream.read();
    if (message === undefined) throw failure ?? connectionLost("the server closed the connection");
    switch (message.type) {
      case Backend.errorResponse:
        failure ??= parseErrorResponse(message);
        break;
      case Backend.readyForQuery:
        if (failure !== undefined) throw failure;
        return answers;
      case Backend.notificationResponse:
      case Backend.parameterStatus:
      case Backend.noticeResponse:
        aside(message);
        break;
      default:
        answers.push(message);
    }
  }
}
