import { parseDataRow, parseErrorResponse } from "./backend-messages.js";
import { queryMessage, syncMessage } from "./frontend-messages.js";
import { Backend, type Message } from "./message.js";
import type { ServerSession } from "./open-server.js";
import { connectionLost, type WireError } from "./wire-error.js";

/** Rows of text, of one statement. */
export type TextRows = readonly (readonly (string | null)[])[];

/** Hears what does not belong to an answer: NotificationResponse, ParameterStatus, NoticeResponse. */
export type Aside = (message: Message) => void;

const nobody: Aside = () => undefined;

/**
 * Runs one simple Query, which may have several statements, on a session that nobody else uses now. Gives the rows of
 * each statement that has any, in order. Fails with the server's error. For few rows.
 */
export async function runQuery(server: ServerSession, text: string, aside = nobody): Promise<TextRows[]> {
  await server.stream.write(queryMessage(text));
  const results: (string | null)[][][] = [];
  await hearAnswer(server, aside, (message) => {
    if (message.type === Backend.rowDescription) results.push([]);
    else if (message.type === Backend.dataRow) results.at(-1)?.push(parseDataRow(message).map((value) => value?.toString() ?? null));
  });
  return results;
}

/**
 * Sends messages of the extended protocol and a Sync, on a session that nobody else uses now. Gives the answers up to
 * ReadyForQuery; fails with the server's error.
 */
export async function runBatch(server: ServerSession, messages: readonly Buffer[], aside = nobody): Promise<Message[]> {
  await server.stream.write([...messages, syncMessage]);
  const answers: Message[] = [];
  await hearAnswer(server, aside, (message) => {
    answers.push(message);
  });
  return answers;
}

/** Up to ReadyForQuery; fails then, if there was an error, with the first. */
async function hearAnswer({ stream }: ServerSession, aside: Aside, hear: (message: Message) => void): Promise<void> {
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
        return;
      case Backend.notificationResponse:
      case Backend.parameterStatus:
      case Backend.noticeResponse:
        aside(message);
        break;
      default:
        hear(message);
    }
  }
}
