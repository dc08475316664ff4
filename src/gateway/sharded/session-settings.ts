import { quoteLiteral } from "../../postgres/identifiers.js";

/** Applied last, in this order: the second resets the first. */
const LAST = ["session_authorization", "role"];

/**
 * Statements that bring a session from one state of settings to another, outside of a transaction.
 * @param from what it has, by name
 * @param to what it is to have; what is missing goes back to the session's own default
 */
export function settingStatements(from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>): string[] {
  if (from === to) return [];
  const reset = [...from.keys()].filter((name) => !to.has(name));
  const changed = [...to].filter(([name, value]) => from.get(name) !== value);
  const authorized = reset.includes("session_authorization") || changed.some(([name]) => name === "session_authorization");
  const plain = changed.filter(([name]) => !LAST.includes(name));
  const last = LAST.flatMap((name) => {
    const value = to.get(name);
    return value !== undefined && (from.get(name) !== value || authorized) ? [[name, value] as const] : [];
  });
  return [
    ...reset.sort((a, b) => LAST.indexOf(a) - LAST.indexOf(b)).map(resetStatement),
    ...[...plain, ...last].map(([name, value]) => `SELECT pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, false)`),
  ];
}

/** Names of settings in the form in which they are kept: PostgreSQL compares them without case. */
export function settingName(name: string): string {
  return name.toLowerCase();
}

function resetStatement(name: string): string {
  if (name === "role") return "RESET ROLE";
  if (name === "session_authorization") return "RESET SESSION AUTHORIZATION";
  // RESET wants a name, which may have parts; a setting's own quoting is not worth more than this.
  return `RESET ${name.split(".").map((part) => `"${part.replaceAll('"', '""')}"`).join(".")}`;
}

/** A state of settings with one more, or with one reset. Another user has no role yet. */
export function withSetting(settings: ReadonlyMap<string, string>, name: string, value: string | undefined): Map<string, string> {
  const next = new Map(settings);
  if (value === undefined) next.delete(name);
  else next.set(name, value);
  if (name === "session_authorization") next.delete("role");
  return next;
}
