import { quoteIdentifier } from "../../postgres/identifiers.js";
import { tokenAt } from "../../postgres/sql-tokens.js";
import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { isTextOf, typeTextChecked } from "./deparse-checked.js";
import { nameOf } from "./inspect-expressions.js";
import { keepsKeys } from "./key-constant.js";
import type { ParsedStatement } from "./parse-statements.js";
import { refused } from "./route-distribution.js";
import type { RefusedPlan, SessionPlan, TextValue } from "./statement-plan.js";

/** Settings that are lists of names (GUC_LIST_QUOTE, utils/misc/guc_tables.c). */
const NAME_LISTS = new Set(["search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries"]);

/** What SET and SHOW of the gateway's own are called. */
const ROUTES: Readonly<Record<string, "shard" | "sharding_key">> = { "pgdog.shard": "shard", "pgdog.sharding_key": "sharding_key" };

/** Settings by which text would be read otherwise than the planner reads it. */
const FIXED: Readonly<Record<string, { readonly allowed: RegExp; readonly why: string }>> = {
  standard_conforming_strings: { allowed: /^(?:on|true|yes|1|t|y)$/i, why: "Strings are read as standard_conforming_strings = on has them." },
  client_encoding: { allowed: /^(?:utf-?8|unicode)$/i, why: "Statements and sharding keys are read as UTF-8." },
};

/** SET, RESET. */
export function planSet(statement: Fields<"VariableSetStmt">): SessionPlan | RefusedPlan {
  const { kind, name = "", args = [], is_local: isLocal = false } = statement;
  if (kind === "VAR_RESET_ALL") return { kind: "session", action: "reset-all" };
  if (kind === "VAR_SET_MULTI") {
    // Of the session: its transactions to come begin so.
    return name === "TRANSACTION SNAPSHOT" ? refused(SNAPSHOT) : name === "TRANSACTION" ? { kind: "session", action: "transaction-mode" } : characteristics(args);
  }
  if (kind === "VAR_SET_CURRENT") return refused({ reason: "SET … FROM CURRENT belongs into a function.", remedy: "Give the value." });
  const value = kind === "VAR_SET_VALUE" ? settingText(name, args) : undefined;
  if (kind === "VAR_SET_VALUE" && value === undefined) return refused({ reason: `The value of ${name} is of a kind that cannot be kept for the session.`, remedy: "Give it as a string." });
  const route = ROUTES[name.toLowerCase()];
  if (route !== undefined) return { kind: "session", action: "route", name: route, isLocal, value };
  return fixedSetting(name, value) ?? { kind: "session", action: "set", name, isLocal, value };
}

/** Why a setting may not have that value; undefined where it may. */
export function fixedSetting(name: string, value: string | null | undefined): RefusedPlan | undefined {
  const fixed = FIXED[name.toLowerCase()];
  if (fixed === undefined || value === undefined || (value !== null && fixed.allowed.test(value))) return undefined;
  return refused({ reason: `${name} cannot be ${value ?? "NULL"} on a sharded database. ${fixed.why}`, remedy: `Leave ${name} as it is.` });
}

/** The value as `set_config` takes it (flatten_set_variable_args, utils/misc/guc_funcs.c). */
function settingText(name: string, args: readonly Node[]): string | undefined {
  const values = args.map((arg) => {
    const constant = as(arg, "A_Const");
    if (constant?.sval !== undefined) return NAME_LISTS.has(name.toLowerCase()) ? quoteIdentifier(constant.sval.sval ?? "") : (constant.sval.sval ?? "");
    if (constant?.ival !== undefined) return String(constant.ival.ival ?? 0);
    if (constant?.fval !== undefined) return constant.fval.fval;
    return undefined;
  });
  return values.includes(undefined) ? undefined : values.join(", ");
}

/** SET SESSION CHARACTERISTICS AS TRANSACTION …: one setting at a time can be kept. */
function characteristics(args: readonly Node[]): SessionPlan | RefusedPlan {
  const [option, ...more] = args.flatMap((arg) => as(arg, "DefElem") ?? []);
  const constant = as(option?.arg, "A_Const");
  const value = constant?.sval?.sval ?? (constant?.ival === undefined ? undefined : (constant.ival.ival ?? 0) === 1 ? "on" : "off");
  if (option?.defname === undefined || more.length > 0 || value === undefined) {
    return refused({ reason: "SET SESSION CHARACTERISTICS with several modes at once.", remedy: "SET default_transaction_isolation, default_transaction_read_only and default_transaction_deferrable one by one." });
  }
  return { kind: "session", action: "set", name: `default_${option.defname}`, isLocal: false, value };
}

/** DISCARD. */
export function planDiscard({ target }: Fields<"DiscardStmt">): SessionPlan | undefined {
  return target === "DISCARD_ALL" ? { kind: "session", action: "discard-all" } : undefined;
}

export function planListen({ conditionname: channel = "" }: Fields<"ListenStmt">): SessionPlan {
  return { kind: "session", action: "listen", channel };
}

export function planUnlisten({ conditionname: channel }: Fields<"UnlistenStmt">): SessionPlan {
  return channel === undefined ? { kind: "session", action: "unlisten-all" } : { kind: "session", action: "unlisten", channel };
}

export function planNotify({ conditionname: channel = "" }: Fields<"NotifyStmt">): SessionPlan {
  return { kind: "session", action: "notify", channel };
}

/** PREPARE: the statement is the text behind AS. */
export function planPrepare({ name = "", argtypes = [], query }: Fields<"PrepareStmt">, { text }: ParsedStatement): SessionPlan | RefusedPlan {
  const behind = textBehindAs(text);
  const statement = query !== undefined && isTextOf(behind, query) ? behind : undefined;
  const types = argtypes.map(typeTextChecked);
  if (statement === undefined || types.includes(undefined)) return refused({ reason: `The statement to prepare cannot be told from the text: ${text.slice(0, 60)}`, remedy: "Prepare it through the driver (extended protocol)." });
  return { kind: "session", action: "prepare", name, statement, types: types as string[] };
}

function textBehindAs(text: string): string {
  let depth = 0;
  for (let at = 0; at < text.length; ) {
    const { token, end, kind } = tokenAt(text, at);
    if (kind === "token") {
      if (token === "(") depth++;
      else if (token === ")") depth--;
      else if (depth === 0 && token.toUpperCase() === "AS") return text.slice(end).trim();
    }
    at = end;
  }
  return "";
}

export function planExecute({ name = "", params = [] }: Fields<"ExecuteStmt">): SessionPlan {
  return { kind: "session", action: "execute", name, values: params.map(textValue) };
}

export function planDeallocate({ name, isall }: Fields<"DeallocateStmt">): SessionPlan {
  return name === undefined || isall === true ? { kind: "session", action: "deallocate-all" } : { kind: "session", action: "deallocate", name };
}

/** A constant in text form, a parameter, or something else. */
export function textValue(node: Node | undefined): TextValue {
  const parameter = as(node, "ParamRef");
  if (parameter?.number !== undefined) return { kind: "parameter", number: parameter.number };
  const cast = as(node, "TypeCast");
  if (cast !== undefined && (["bigint", "uuid", "varchar"] as const).some((dataType) => keepsKeys(cast.typeName, dataType, false))) return textValue(cast.arg);
  const constant = as(node, "A_Const");
  if (constant === undefined) return { kind: "expression" };
  if (constant.isnull === true) return { kind: "constant", text: null };
  if (constant.sval !== undefined) return { kind: "constant", text: constant.sval.sval ?? "" };
  if (constant.ival !== undefined) return { kind: "constant", text: String(constant.ival.ival ?? 0) };
  if (constant.fval !== undefined) return { kind: "constant", text: constant.fval.fval ?? "" };
  if (constant.boolval !== undefined) return { kind: "constant", text: constant.boolval.boolval === true ? "t" : "f" };
  return { kind: "expression" };
}

/** `SELECT set_config('name', value, local)` and nothing else; undefined where it is something else. */
export function planSetConfig(node: Node): SessionPlan | RefusedPlan | undefined {
  const select = as(node, "SelectStmt");
  const targets = (select?.targetList ?? []).flatMap((target) => as(target, "ResTarget") ?? []);
  const call = as(targets[0]?.val, "FuncCall");
  const parts = nameOf(call?.funcname);
  if (call === undefined || parts.at(-1) !== "set_config" || (parts.length > 1 && parts[0] !== "pg_catalog")) return undefined;
  const name = textValue(call.args?.[0]);
  const local = textValue(call.args?.[2]);
  const value = textValue(call.args?.[1]);
  const plain = select?.fromClause === undefined && select?.whereClause === undefined && targets.length === 1 && call.args?.length === 3;
  if (!plain || name.kind !== "constant" || name.text === null || local.kind !== "constant" || value.kind === "expression") {
    return refused({ reason: "set_config with something else than a constant name, a constant or parameter as value, and true or false: the gateway could not keep the setting for other shards.", remedy: "Use SET or SET LOCAL, or SELECT set_config('name', $1, false) by itself." });
  }
  const isLocal = /^t/i.test(local.text ?? "");
  const refusal = value.kind === "constant" ? fixedSetting(name.text, value.text) : name.text.toLowerCase() in FIXED ? fixedSetting(name.text, null) : undefined;
  return refusal ?? { kind: "session", action: "set-config", name: name.text, isLocal, value };
}

const SNAPSHOT = { reason: "A snapshot belongs to one server.", remedy: "Say the shard in a comment: /* pgdog_shard: 0 */." };
