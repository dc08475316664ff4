import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { protocolViolation } from "./message.js";
import { WireError } from "./wire-error.js";

/*
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), both sides, without channel binding.
 */

export const SCRAM_MECHANISM = "SCRAM-SHA-256";
/** SCRAM_SHA_256_DEFAULT_ITERATIONS (common/scram-common.h). */
export const SCRAM_ITERATIONS = 4096;
/** What a server may ask of us: more would be an attack on this process. */
const MOST_ITERATIONS = 100_000;

/** What a server knows of a password. */
export interface ScramKeys {
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

const derive = promisify(pbkdf2);

export async function scramKeys(password: string, salt: Buffer, iterations: number): Promise<ScramKeys> {
  const salted = await saltedPassword(password, salt, iterations);
  return { storedKey: sha256(hmac(salted, "Client Key")), serverKey: hmac(salted, "Server Key") };
}

/** The server's side of one login. */
export class ScramServer {
  readonly #salt: Buffer;
  readonly #iterations: number;
  #header = "";
  #nonce = "";
  #authMessage = "";

  constructor(salt: Buffer, iterations: number) {
    this.#salt = salt;
    this.#iterations = iterations;
  }

  /** Answers client-first-message with server-first-message. Throws a `WireError` for what cannot be read. */
  first(clientFirst: string): string {
    const parts = /^(?<header>(?<binding>[^,]*),(?:a=[^,]*)?,)(?<bare>(?<name>[^,]*),r=(?<nonce>[\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/s.exec(clientFirst)?.groups;
    if (parts === undefined || !parts["name"]!.startsWith("n=")) throw malformed();
    // "y": it could bind to the channel, and has seen that it was not offered.
    if (parts["binding"] !== "n" && parts["binding"] !== "y") throw protocolViolation("channel binding was not offered");
    this.#header = parts["header"]!;
    this.#nonce = parts["nonce"]! + randomBytes(18).toString("base64");
    const first = `r=${this.#nonce},s=${this.#salt.toString("base64")},i=${this.#iterations}`;
    this.#authMessage = `${parts["bare"]!},${first}`;
    return first;
  }

  /**
   * Checks client-final-message against each of the keys. Answers with server-final-message, or undefined where it shows
   * none of the passwords. Throws a `WireError` for what cannot be read.
   */
  final(clientFinal: string, candidates: readonly ScramKeys[]): string | undefined {
    const parts = /^(?<unproven>c=(?<binding>[^,]*),r=(?<nonce>[^,]*)(?:,.*)?),p=(?<proof>[A-Za-z0-9+/=]*)$/s.exec(clientFinal)?.groups;
    if (parts === undefined || Buffer.from(parts["binding"]!, "base64").toString() !== this.#header) throw malformed();
    if (!equal(Buffer.from(parts["nonce"]!), Buffer.from(this.#nonce))) throw protocolViolation("invalid SCRAM response: nonce does not match");
    const proof = Buffer.from(parts["proof"]!, "base64");
    if (proof.length !== 32) throw malformed();
    const authMessage = `${this.#authMessage},${parts["unproven"]!}`;
    // All are tried, so that the time does not tell which.
    const right = candidates.filter(({ storedKey }) => timingSafeEqual(sha256(xor(proof, hmac(storedKey, authMessage))), storedKey));
    return right[0] === undefined ? undefined : `v=${hmac(right[0].serverKey, authMessage).toString("base64")}`;
  }
}

/** The client's side of one login. */
export class ScramClient {
  readonly #password: string;
  readonly #nonce = randomBytes(18).toString("base64");
  #serverSignature: Buffer | undefined;

  constructor(password: string) {
    this.#password = password;
  }

  /** client-first-message. The name stays empty: a server takes the one of the start-up packet. */
  first(): string {
    return `n,,${this.#bare}`;
  }

  /** Answers server-first-message with client-final-message. */
  async final(serverFirst: string): Promise<string> {
    const parts = /^r=(?<nonce>[^,]*),s=(?<salt>[^,]*),i=(?<iterations>[1-9]\d{0,8})(?:,.*)?$/s.exec(serverFirst)?.groups;
    const nonce = parts?.["nonce"];
    const iterations = Number(parts?.["iterations"]);
    if (parts === undefined || nonce === undefined || !nonce.startsWith(this.#nonce) || nonce === this.#nonce || iterations > MOST_ITERATIONS) throw malformed();
    const salted = await saltedPassword(this.#password, Buffer.from(parts["salt"]!, "base64"), iterations);
    const clientKey = hmac(salted, "Client Key");
    const unproven = `c=${Buffer.from("n,,").toString("base64")},r=${nonce}`;
    const authMessage = `${this.#bare},${serverFirst},${unproven}`;
    this.#serverSignature = hmac(hmac(salted, "Server Key"), authMessage);
    return `${unproven},p=${xor(clientKey, hmac(sha256(clientKey), authMessage)).toString("base64")}`;
  }

  /** Throws where server-final-message does not show that the server knows the password. */
  check(serverFinal: string): void {
    const signature = /^v=(?<signature>[^,]*)/.exec(serverFinal)?.groups?.["signature"];
    if (signature === undefined || this.#serverSignature === undefined || !equal(Buffer.from(signature, "base64"), this.#serverSignature)) {
      throw new WireError("28P01", "the server did not show that it knows the password", { severity: "FATAL" });
    }
  }

  get #bare(): string {
    return `n=,r=${this.#nonce}`;
  }
}

/** In a time that does not depend on where they differ. */
export function equal(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** In a time that does not depend on what they are. */
export function equalTexts(one: string, other: string): boolean {
  return timingSafeEqual(sha256(Buffer.from(one)), sha256(Buffer.from(other)));
}

async function saltedPassword(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return await derive(saslPrepared(password), salt, iterations, 32, "sha256");
}

/**
 * SASLprep (RFC 4013) as far as it changes anything: spaces that are not ASCII's (RFC 3454, C.1.2), what is mapped to nothing
 * (B.1), NFKC. What it forbids is let through, as by clients, which take such passwords as they are.
 */
function saslPrepared(password: string): string {
  return password
    .replaceAll(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, " ")
    .replaceAll(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g, "")
    .normalize("NFKC");
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function xor(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, index) => byte ^ other[index]!));
}

function malformed(): WireError {
  return protocolViolation("malformed SCRAM message");
}
