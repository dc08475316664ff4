import { readFileSync } from "node:fs";
import { ConfigurationError, type Problem, problemText } from "../config/configuration-error.js";
import { defect, type ErrorPlace, ReshardError } from "../errors.js";
import { printable } from "./view/fit.js";
import { textFrame } from "./view/text-frame.js";

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
  const lines = error instanceof ConfigurationError ? mistakes(error) : [`error ${code}: ${printable(message, true)}`];
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
    ...(error instanceof ConfigurationError ? { problems: error.problems.map(withFrame) } : {}),
    ...(kind === "defect" ? { stack: stacks(error).join("\n") } : {}),
  };
}

/** Each with its code, the line of the file that it is in, and what there is to tell beyond that. */
function mistakes({ code, problems, message }: ConfigurationError): string[] {
  return [
    `error ${code}: ${message.split("\n", 1)[0]!}`,
    ...problems.flatMap((problem) => [
      `  ${printable(problemText(problem))} [${problem.code}]`,
      ...frameOf(problem).map((line) => `  ${line}`),
      ...(problem.detail?.split("\n") ?? []).map((line) => `    ${printable(line)}`),
    ]),
  ];
}

function withFrame(problem: Problem): Readonly<Record<string, unknown>> {
  const frame = frameOf(problem);
  return { ...problem, ...(frame.length === 0 ? {} : { frame: frame.join("\n") }) };
}

function frameOf({ file, line, column }: Problem): readonly string[] {
  if (line === 0) return [];
  try {
    return textFrame(readFileSync(file, "utf8"), line, column);
  } catch {
    // It is no file any more; the place says enough.
    return [];
  }
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
