import { as, type Fields, type Node } from "../../schema/syntax-tree.js";

/**
 * The name of an output column without an alias (FigureColname, parser/parse_target.c); undefined where it is one of the
 * rarer kinds, of which the name is not made out here.
 */
export function figureName(node: Node | undefined): string | undefined {
  const found = figure(node);
  return found === undefined ? undefined : found === "" ? "?column?" : found;
}

function figure(node: Node | undefined): string | undefined {
  if (node === undefined) return "";
  const [type, fields] = Object.entries(node)[0] as [string, unknown];
  switch (type) {
    case "ColumnRef":
      return as((fields as Fields<"ColumnRef">).fields?.at(-1), "String")?.sval;
    case "FuncCall":
      return as((fields as Fields<"FuncCall">).funcname?.at(-1), "String")?.sval;
    case "TypeCast": {
      const { arg, typeName } = fields as Fields<"TypeCast">;
      const inner = figure(arg);
      return inner === "" ? as(typeName?.names?.at(-1), "String")?.sval : inner;
    }
    case "CollateClause":
      return figure((fields as Fields<"CollateClause">).arg);
    case "CoalesceExpr":
      return "coalesce";
    case "A_ArrayExpr":
      return "array";
    case "RowExpr":
      return "row";
    case "CaseExpr": {
      const inner = figure((fields as Fields<"CaseExpr">).defresult);
      return inner === "" ? "case" : inner;
    }
    case "MinMaxExpr":
      return (fields as Fields<"MinMaxExpr">).op === "IS_GREATEST" ? "greatest" : "least";
    case "SubLink": {
      const link = fields as Fields<"SubLink">;
      if (link.subLinkType === "EXISTS_SUBLINK") return "exists";
      if (link.subLinkType === "ARRAY_SUBLINK") return "array";
      if (link.subLinkType !== "EXPR_SUBLINK") return "";
      const first = as(as(link.subselect, "SelectStmt")?.targetList?.[0], "ResTarget");
      return first === undefined ? undefined : (first.name ?? figure(first.val));
    }
    case "A_Expr":
      return (fields as Fields<"A_Expr">).kind === "AEXPR_NULLIF" ? "nullif" : "";
    case "A_Const":
    case "ParamRef":
    case "BoolExpr":
    case "NullTest":
    case "BooleanTest":
      return "";
    default:
      return undefined;
  }
}
