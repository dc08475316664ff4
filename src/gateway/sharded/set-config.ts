import { quoteLiteral } from "../../postgres/identifiers.js";
import { fixedSetting } from "../planning/plan-session.js";
import type { SessionPlan } from "../planning/statement-plan.js";
import { failure } from "./failure.js";
import type { Portal } from "./prepared-statements.js";

/**
 * The value that `SELECT set_config(…)` sets, and the statement by which another shard is told the same.
 * @throws WireError 0A000 where the setting may not have that value
 */
export function settingOf({ name, value, isLocal }: Extract<SessionPlan, { action: "set-config" }>, { parameters }: Portal): { readonly value: string; readonly statement: string } {
  const bytes = value.kind === "constant" ? value.text : value.kind === "parameter" ? (parameters[value.number - 1]?.bytes?.toString() ?? null) : null;
  // NULL is the empty string to it.
  const text = bytes ?? "";
  const refused = fixedSetting(name, text);
  if (refused !== undefined) throw failure("0A000", refused.reason, { hint: refused.remedy });
  return { value: text, statement: `SELECT pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(text)}, ${String(isLocal)})` };
}
