import type { KeyType } from "../../config/types.js";
import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { elementsOfText } from "./array-elements.js";
import { keyBytesOfText } from "./key-bytes.js";
import type { KeyValue } from "./statement-plan.js";

/** Types to which a constant may be cast and stay the same key. */
const CASTS: Readonly<Record<KeyType, ReadonlySet<string>>> = {
  bigint: new Set(["int2", "int4", "int8"]),
  uuid: new Set(["uuid"]),
  varchar: new Set(["text", "varchar"]),
};

/**
 * The key that an expression is, where it is a constant or a parameter that the server would read as a key of that type;
 * undefined for all else: nothing is guessed. Only one cast is read: `$1::text::bigint` makes the parameter a text.
 */
export function keyConstant(node: Node | undefined, dataType: KeyType): KeyValue | undefined {
  const cast = as(node, "TypeCast");
  if (cast !== undefined) return keepsKeys(cast.typeName, dataType, false) ? plainConstant(cast.arg, dataType) : undefined;
  return plainConstant(node, dataType);
}

/** The keys of `ARRAY[…]`, `'{…}'` or `$n`, with or without a cast to an array of that type. */
export function arrayConstant(node: Node | undefined, dataType: KeyType): readonly KeyValue[] | undefined {
  const cast = as(node, "TypeCast");
  if (cast !== undefined && !keepsKeys(cast.typeName, dataType, true)) return undefined;
  const value = cast === undefined ? node : cast.arg;
  const list = as(value, "A_ArrayExpr");
  if (list !== undefined) return allDefined((list.elements ?? []).map((element) => keyConstant(element, dataType)));
  const parameter = as(value, "ParamRef");
  if (parameter !== undefined) return parameter.number === undefined ? undefined : [{ kind: "elements", number: parameter.number }];
  const constant = as(value, "A_Const");
  if (constant?.isnull === true) return [{ kind: "constant", bytes: null }];
  const text = constant?.sval === undefined ? undefined : elementsOfText(constant.sval.sval ?? "");
  return text === undefined ? undefined : allDefined(text.map((element) => constantOfText(element, dataType)));
}

/** Whether a cast to that type leaves a key what it is. */
export function keepsKeys(type: Fields<"TypeName"> | undefined, dataType: KeyType, array: boolean): boolean {
  if (type === undefined || (type.typmods ?? []).length > 0 || type.setof === true || type.pct_type === true) return false;
  if ((type.arrayBounds ?? []).length !== (array ? 1 : 0)) return false;
  const names = (type.names ?? []).map((name) => as(name, "String")?.sval ?? "");
  if (names.length > 2 || (names.length === 2 && names[0] !== "pg_catalog")) return false;
  return CASTS[dataType].has(names.at(-1) ?? "");
}

function plainConstant(node: Node | undefined, dataType: KeyType): KeyValue | undefined {
  const parameter = as(node, "ParamRef");
  if (parameter !== undefined) return parameter.number === undefined ? undefined : { kind: "parameter", number: parameter.number };
  const constant = as(node, "A_Const");
  if (constant !== undefined) {
    if (constant.isnull === true) return { kind: "constant", bytes: null };
    if (constant.sval !== undefined) return constantOfText(constant.sval.sval ?? "", dataType);
    if (dataType !== "bigint") return undefined;
    if (constant.ival !== undefined) return constantOfText(String(constant.ival.ival ?? 0), dataType);
    // Beyond int4 the grammar makes it a numeric constant, of which the server makes int8 where it fits.
    const digits = constant.fval?.fval ?? "";
    return /^-?(?:\d[\d_]*|0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+)$/.test(digits) ? constantOfText(digits, dataType) : undefined;
  }
  const minus = as(node, "A_Expr");
  if (minus?.kind === "AEXPR_OP" && minus.lexpr === undefined && dataType === "bigint" && (minus.name ?? []).length === 1 && as(minus.name?.[0], "String")?.sval === "-") {
    const operand = as(minus.rexpr, "A_Const");
    const value = operand?.ival === undefined && operand?.fval === undefined ? undefined : plainConstant(minus.rexpr, dataType);
    return value?.kind === "constant" && value.bytes !== null ? constantOfText(String(-value.bytes.readBigInt64BE(0)), dataType) : undefined;
  }
  return undefined;
}

function constantOfText(text: string | null, dataType: KeyType): KeyValue | undefined {
  if (text === null) return { kind: "constant", bytes: null };
  const bytes = keyBytesOfText(dataType, text);
  return bytes === undefined ? undefined : { kind: "constant", bytes };
}

export function allDefined<T>(values: readonly (T | undefined)[]): readonly T[] | undefined {
  return values.every((value) => value !== undefined) ? values : undefined;
}
