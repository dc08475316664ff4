import { ConfigurationError } from "../config/configuration-error.js";
import { defect, type ErrorPlace, ReshardError } from "../errors.js";
import { printable } from "./view/fit.js";

export const EXIT = { done: 0, failed: 1, usage: 2, configuration: 78, stopped: 130 } as const;

/** The process's exit code for a failure. */
export function exitCodeOf(error: unknown): number {
  return error instanceof ConfigurationError ? EXIT.configuration : EXIT.failed;
}

/** What is not a ReshardError was not foreseen. */
function known(error: unknown): ReshardError {
  if (error instanceof ReshardError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const { code, kind, remedy } = defect(message);
  return new ReshardError(code, message, { kind, cause: error, ...(remedy === undefined ? {} : { remedy }) });
}

/** For people: `error CODE: message`, where, and what to do; a defect with its stack. */
export function failureText(error: unknown): string {
  const { code, message, remedy, place, kind } = known(error);
  const lines = [`error ${code}: ${printable(message, true)}`];
  const where = placeText(place, message);
  if (where !== "") lines.push(`  where: ${printable(where)}`);
  if (remedy !== undefined) lines.push(`  remedy: ${printable(remedy, true)}`);
  if (kind === "defect") lines.push(...stacks(error).map((stack) => printable(stack, true)));
  return `${lines.join("\n")}\n`;
}

/** For programs: the same as fields. */
export function failureFields(error: unknown): Readonly<Record<string, unknown>> {
  const { code, message, remedy, place, kind } = known(error);
  return {
    type: "error",
    code,
    message,
    ...(remedy === undefined ? {} : { remedy }),
    place,
    ...(error instanceof ConfigurationError ? { problems: error.problems } : {}),
    ...(kind === "defect" ? { stack: stacks(error).join("\n") } : {}),
  };
}

/** What the message does not say already. */
function placeText({ file, line, column, server, table, lsn }: ErrorPlace, message: string): string {
  const parts = [
    file === undefined ? undefined : [file, line, column].filter((part) => part !== undefined).join(":"),
    server,
    table === undefined ? undefined : `table ${table}`,
    lsn === undefined ? undefined : `LSN ${lsn}`,
  ];
  const said = [file, server, table, lsn];
  return parts.filter((part, index) => part !== undefined && !message.includes(said[index]!)).join(", ");
}

/** Stacks only, never an error's other fields: what they hold is not known. */
function stacks(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const own = error.stack ?? error.message;
  const cause = stacks(error.cause);
  return cause.length === 0 ? [own] : [own, `caused by ${cause[0]!}`, ...cause.slice(1)];
}
