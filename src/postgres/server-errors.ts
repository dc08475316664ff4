import { ReshardError } from "../errors.js";

/** SQLSTATEs after which the same work may succeed if it is done again (PostgreSQL manual, appendix A). */
const RETRYABLE_STATES = new Set([
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "53300", // too_many_connections
  "55006", // object_in_use: a slot that its former reader has not left yet
  "55P03", // lock_not_available
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
  "57P05", // idle_session_timeout
]);

/** Errors of Node's sockets that mean a connection was lost or could not be made. */
const RETRYABLE_SOCKET_CODES = new Set(["ECONNRESET", "ECONNREFUSED", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETRESET", "ECONNABORTED"]);

/** Of the connection's class, but it comes for values that cannot be read too, and would come again. */
const PROTOCOL_VIOLATION = "08P01";

/** The SQLSTATE of an error that a server sent, else undefined. */
export function sqlState(error: unknown): string | undefined {
  const code = errorCode(error);
  // Every class of them has a digit; EPIPE is a socket's.
  return code !== undefined && /^(?=.*[0-9])[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** True for passing trouble: a lost connection, a restarting server, a deadlock. */
export function isRetryable(error: unknown): boolean {
  if (error instanceof ReshardError) return error.kind === "retry" || (error.cause !== undefined && error.kind !== "defect" && isRetryable(error.cause));
  const code = errorCode(error);
  if (code !== undefined && (RETRYABLE_STATES.has(code) || RETRYABLE_SOCKET_CODES.has(code) || (code.startsWith("08") && code !== PROTOCOL_VIOLATION))) return true;
  // node-postgres gives these no code.
  return error instanceof Error && /^(Connection terminated|Client has encountered a connection error|timeout expired)/.test(error.message);
}

/** The server's or socket's own words, for a message that goes on. */
export function reasonOf(error: unknown): string {
  // Node tries every address of a host name and bundles the refusals without a message of their own.
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error instanceof Error ? error.message || (errorCode(error) ?? error.name) : String(error);
}

function errorCode(error: unknown): string | undefined {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0]);
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
