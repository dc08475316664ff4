import type { Cluster } from "../../../src/embedded/cluster.js";
import { type FieldDescription, parseDataRow, parseErrorResponse, parseRowDescription } from "../../../src/wire/backend-messages.js";
import { bindMessage, describeMessage, executeMessage, parseMessage, syncMessage } from "../../../src/wire/frontend-messages.js";
import { Backend, type Message } from "../../../src/wire/message.js";
import type { MessageStream } from "../../../src/wire/message-stream.js";
import { openServer, type ServerSession } from "../../../src/wire/open-server.js";

/** What a server answered, in its own bytes. */
export interface RawAnswer {
  readonly fields: FieldDescription[];
  readonly rows: (Buffer | null)[][];
}

/** A session that speaks in messages, so that a test sees what stands on the wire. */
export class RawSession {
  readonly server: ServerSession;

  private constructor(server: ServerSession) {
    this.server = server;
  }

  static async open(cluster: Pick<Cluster, "host" | "port" | "user" | "password">, database = "postgres", parameters: Readonly<Record<string, string>> = {}): Promise<RawSession> {
    const { host, port, user, password } = cluster;
    return new RawSession(await openServer({ host, port, user, password, database, sslmode: "disable" }, { parameters: Object.entries(parameters), timeout: 10_000 }));
  }

  get stream(): MessageStream {
    return this.server.stream;
  }

  async send(...messages: readonly Buffer[]): Promise<void> {
    await this.stream.write(Buffer.concat(messages));
  }

  /** Messages up to the `count`th ReadyForQuery, that included. */
  async untilReady(count = 1): Promise<Message[]> {
    const messages: Message[] = [];
    for (let ready = 0; ready < count;) {
      const message = await this.stream.read();
      if (message === undefined) throw new Error(`the connection ended after ${messages.length} messages`);
      messages.push({ type: message.type, bytes: Buffer.from(message.bytes) });
      if (message.type === Backend.readyForQuery) ready++;
    }
    return messages;
  }

  /** One statement by the extended protocol, all columns in one format. */
  async ask(text: string, format: 0 | 1): Promise<RawAnswer> {
    await this.send(
      parseMessage({ name: "", text, parameterTypes: [] }), bindMessage({ portal: "", statement: "", formats: [], values: [], resultFormats: [format] }),
      describeMessage({ kind: "portal", name: "" }), executeMessage({ portal: "", maxRows: 0 }), syncMessage,
    );
    const messages = await this.untilReady();
    const failed = messages.find(({ type }) => type === Backend.errorResponse);
    if (failed !== undefined) throw parseErrorResponse(failed);
    const description = messages.find(({ type }) => type === Backend.rowDescription);
    return { fields: description === undefined ? [] : parseRowDescription(description), rows: messages.filter(({ type }) => type === Backend.dataRow).map(parseDataRow) };
  }

  async end(): Promise<void> {
    await this.server.end();
  }
}
