import { createHmac, randomBytes } from "node:crypto";
import { authenticationCleartext, authenticationOk, authenticationSasl, saslContinue, saslFinal } from "./backend-messages.js";
import { parsePassword, parseSaslInitialResponse } from "./frontend-messages.js";
import { HEADER_BYTES, loginLimits, type Message, protocolViolation } from "./message.js";
import type { MessageStream } from "./message-stream.js";
import { equalTexts, SCRAM_ITERATIONS, SCRAM_MECHANISM, type ScramKeys, ScramServer, scramKeys } from "./scram.js";
import { connectionLost, WireError } from "./wire-error.js";

export type AuthenticationMethod = "scram-sha-256" | "password" | "trust";

/** Salts are made of this: the same for a user each time, also for users that there are not (as mock authentication nonces, libpq/auth-scram.c). */
const SALT_SECRET = randomBytes(32);
const UNKNOWN: ScramKeys = { storedKey: randomBytes(32), serverKey: randomBytes(32) };
/** Keys by user and password: each costs some milliseconds. */
const KNOWN_KEYS = new Map<string, ScramKeys>();
const MOST_KNOWN_KEYS = 1000;

/**
 * Has a client show that it knows one of the passwords, up to AuthenticationOk. Without passwords there is no such user:
 * it goes through the same steps and fails in the end as a wrong password does, 28P01.
 */
export async function authenticateClient(stream: MessageStream, method: AuthenticationMethod, user: string, passwords: readonly string[] | undefined): Promise<void> {
  stream.limits = loginLimits;
  if (method === "trust") {
    if (passwords === undefined) throw new WireError("28000", `role "${user}" does not exist`, { severity: "FATAL" });
  } else {
    const right = method === "password" ? await askPassword(stream, passwords) : await askScram(stream, user, passwords);
    if (!right) throw new WireError("28P01", `password authentication failed for user "${user}"`, { severity: "FATAL" });
  }
  await stream.write(authenticationOk);
}

async function askPassword(stream: MessageStream, passwords: readonly string[] | undefined): Promise<boolean> {
  await stream.write(authenticationCleartext);
  const given = parsePassword(await answer(stream));
  return (passwords ?? []).filter((password) => equalTexts(password, given)).length > 0;
}

async function askScram(stream: MessageStream, user: string, passwords: readonly string[] | undefined): Promise<boolean> {
  await stream.write(authenticationSasl([SCRAM_MECHANISM]));
  const { mechanism, data } = parseSaslInitialResponse(await answer(stream));
  if (mechanism !== SCRAM_MECHANISM) throw protocolViolation("client selected an invalid SASL authentication mechanism");
  const salt = createHmac("sha256", SALT_SECRET).update(user).digest().subarray(0, 16);
  const server = new ScramServer(salt, SCRAM_ITERATIONS);
  // Without data the client answers an empty challenge with it.
  if (data === null) await stream.write(saslContinue(""));
  const first = data ?? (await answer(stream)).bytes.subarray(HEADER_BYTES);
  await stream.write(saslContinue(server.first(first.toString())));
  const final = (await answer(stream)).bytes.subarray(HEADER_BYTES).toString();
  const keys = await Promise.all((passwords ?? []).map((password) => keysOf(user, password, salt)));
  const shown = server.final(final, keys.length > 0 ? keys : [UNKNOWN]);
  if (shown === undefined) return false;
  await stream.write(saslFinal(shown));
  return true;
}

async function keysOf(user: string, password: string, salt: Buffer): Promise<ScramKeys> {
  const name = JSON.stringify([user, password]);
  const known = KNOWN_KEYS.get(name);
  if (known !== undefined) return known;
  const keys = await scramKeys(password, salt, SCRAM_ITERATIONS);
  if (KNOWN_KEYS.size >= MOST_KNOWN_KEYS) KNOWN_KEYS.clear();
  KNOWN_KEYS.set(name, keys);
  return keys;
}

async function answer(stream: MessageStream): Promise<Message> {
  const message = await stream.read();
  if (message === undefined) throw connectionLost("the client left during its login");
  return message;
}
