import pg from "pg";

/**
 * Runs `COPY … FROM STDIN` with all of its data, and answers with the number of rows. Nothing is waited for in between,
 * so that it can stand among other statements of a session with `pipeline`: data that come before the server has begun
 * wait in its socket, and where the statement fails it drops them (manual, 54.2.6 "COPY Operations").
 */
export async function copyIn(client: pg.Client, text: string, data: Buffer): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    client.query(
      new CopyIn(text, data, (error, result) => {
        // node-postgres says null where there is none.
        if (error instanceof Error) reject(error);
        else resolve(result.rowCount ?? 0);
      }),
    );
  });
}

/** CopyData and CopyDone (manual, "Message Formats"). */
const COPY_DATA = 0x64; // d
const COPY_DONE = Buffer.from([0x63, 0, 0, 0, 4]); // c

class CopyIn extends pg.Query {
  readonly #text: string;
  readonly #data: Buffer;

  constructor(text: string, data: Buffer, callback: (error: Error | undefined, result: pg.QueryResult) => void) {
    super(text, callback);
    this.#text = text;
    this.#data = data;
  }

  override submit = (connection: pg.Connection): void => {
    const { stream } = connection;
    const head = Buffer.allocUnsafe(5);
    head[0] = COPY_DATA;
    head.writeInt32BE(this.#data.length + 4, 1);
    stream.cork();
    connection.query(this.#text);
    stream.write(head);
    stream.write(this.#data);
    stream.write(COPY_DONE);
    stream.uncork();
  };

  /** node-postgres would answer that there are no data; they are on their way already. */
  handleCopyInResponse(): void {
    // Nothing to do.
  }
}
