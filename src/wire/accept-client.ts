import type { MessageStream } from "./message-stream.js";

/** A client that has logged in. It waits for ParameterStatus, BackendKeyData and ReadyForQuery. */
export interface ClientSession {
  readonly stream: MessageStream;
  readonly user: string;
  readonly database: string;
  /** Start-up parameters but for user and database: `application_name`, `options`, `client_encoding`, `search_path` … */
  readonly parameters: ReadonlyMap<string, string>;
  /** What a CancelRequest for this client has to say. */
  readonly processId: number;
  readonly secretKey: Buffer;
  /** TLS. */
  readonly secure: boolean;
  /** Of the peer; undefined where there is none (a Unix socket). */
  readonly address: string | undefined;
  readonly port: number | undefined;
}
