/** What to do with a client's bytes, in order. */
export type FrontendStep =
  /** Hand these to the client; the server is not asked. */
  | { readonly type: "answer"; readonly bytes: Uint8Array }
  /** Pass on, and wait for the reply up to ReadyForQuery. */
  | { readonly type: "request"; readonly bytes: Uint8Array };

/** Codes in place of a protocol version (libpq/pqcomm.h): NEGOTIATE_SSL_CODE, NEGOTIATE_GSS_CODE. */
const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;

/** Query, Sync and FunctionCall are followed by ReadyForQuery. */
const ANSWERED = new Set(["Q", "S", "F"].map((letter) => letter.charCodeAt(0)));
const TERMINATE = "X".charCodeAt(0);

/**
 * The server's side of a login that has been done already, and the cutting of what follows into requests. Encryption
 * is declined: the bytes do not leave the process here.
 */
export class FrontendMessages {
  readonly #parameters: readonly (readonly [string, string])[];
  #pending: Buffer = Buffer.alloc(0);
  #started = false;

  constructor(parameters: readonly (readonly [name: string, value: string])[]) {
    this.#parameters = parameters;
  }

  /** Takes bytes as the client wrote them; a message may come in several pieces. */
  push(bytes: Uint8Array): FrontendStep[] {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    const steps: FrontendStep[] = [];
    while (!this.#started && this.#pending.length >= 8) {
      const length = this.#pending.readUInt32BE(0);
      if (this.#pending.length < length) break;
      const code = this.#pending.readUInt32BE(4);
      this.#pending = this.#pending.subarray(length);
      this.#started = code !== SSL_REQUEST && code !== GSS_REQUEST;
      steps.push({ type: "answer", bytes: this.#started ? loginDone(this.#parameters) : Buffer.from("N") });
    }
    if (this.#started) this.#cutRequests(steps);
    return steps;
  }

  #cutRequests(steps: FrontendStep[]): void {
    let end = 0;
    while (this.#pending.length >= end + 5) {
      const type = this.#pending[end]!;
      const next = end + 1 + this.#pending.readUInt32BE(end + 1);
      if (this.#pending.length < next) break;
      end = next;
      // Not passed on at the end: the connection is not the client's to close.
      if (type !== TERMINATE) {
        if (!ANSWERED.has(type)) continue;
        // Copied: a message to another thread carries its whole buffer.
        steps.push({ type: "request", bytes: Uint8Array.from(this.#pending.subarray(0, end)) });
      }
      this.#pending = this.#pending.subarray(end);
      end = 0;
    }
  }
}

/** AuthenticationOk, ParameterStatus …, ReadyForQuery (idle). */
function loginDone(parameters: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat([
    message("R", Buffer.alloc(4)),
    ...parameters.map(([name, value]) => message("S", Buffer.from(`${name}\0${value}\0`))),
    message("Z", Buffer.from("I")),
  ]);
}

function message(type: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 0, "latin1");
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}
