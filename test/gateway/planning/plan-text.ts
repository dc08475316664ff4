import type { CopyInPlan, Count, Gather, KeySet, KeyValue, StatementPlan, Where } from "../../../src/gateway/planning/statement-plan.js";

/** A plan in a line, for tables of expectations. */
export function planText(plan: StatementPlan): string {
  switch (plan.kind) {
    case "routed": {
      const marks = [...(plan.writes ? ["writes"] : []), ...(plan.definesSchema ? ["schema"] : []), ...(plan.alone ? ["alone"] : []), ...(plan.declares === undefined ? [] : [`declares ${plan.declares.cursor}`])];
      return [whereText(plan.where), gatherText(plan.gather), ...marks].join(" ");
    }
    case "split-insert":
      return `split ${plan.rows.map(({ key }) => setText(key)).join(" ")}`;
    case "insert-everywhere":
      return "insert-everywhere";
    case "copy-in":
      return `copy ${copyText(plan.where)}`;
    case "session":
      return `session ${Object.entries(plan).filter(([name]) => name !== "kind").map(([, value]) => (typeof value === "object" ? JSON.stringify(value) : String(value))).join(" ")}`;
    case "transaction":
      return `transaction ${plan.action}${plan.chain ? " and chain" : ""}${plan.name === undefined ? "" : ` ${plan.name}`}`;
    case "refused":
      return "refused";
  }
}

function whereText(where: Where): string {
  switch (where.kind) {
    case "fixed":
      return `shard ${where.shard}`;
    case "cursor":
      return `cursor ${where.name}`;
    case "keys":
      return where.sets.map(setText).join("+");
    default:
      return where.kind;
  }
}

function setText(set: KeySet): string {
  return `${set.stored ? "=" : ""}{${set.values.map((value) => valueText(value, set)).join(",")}}`;
}

function valueText(value: KeyValue, { dataType }: KeySet): string {
  if (value.kind === "parameter") return `$${value.number}`;
  if (value.kind === "elements") return `any $${value.number}`;
  if (value.bytes === null) return "null";
  return dataType === "bigint" ? value.bytes.readBigInt64BE(0).toString() : dataType === "uuid" ? value.bytes.toString("hex").slice(0, 4) : value.bytes.toString("utf8");
}

function gatherText(gather: Gather): string {
  switch (gather.kind) {
    case "same":
      return "same";
    case "one-shard-only":
      return "one";
    case "union":
      return `union${countsText(gather)}`;
    case "merge": {
      const keys = gather.by.map(({ column, descending, nullsFirst, bytewise }) => `${column}${descending ? "desc" : ""}${nullsFirst ? "first" : ""}${bytewise ? "C" : ""}`);
      return `merge(${keys.join(",")})${gather.hidden > 0 ? ` hidden ${gather.hidden}` : ""}${countsText(gather)}`;
    }
    case "aggregate":
      return `aggregate(${gather.columns.map((column) => column.function + (column.bytewise ? "C" : "")).join(",")})`;
  }
}

function countsText({ limit, offset }: { readonly limit?: Count; readonly offset?: Count }): string {
  return `${limit === undefined ? "" : ` limit ${countText(limit)}`}${offset === undefined ? "" : ` offset ${countText(offset)}`}`;
}

function countText(count: Count): string {
  return count.kind === "constant" ? String(count.value) : `$${count.number}`;
}

function copyText(where: CopyInPlan["where"]): string {
  return where.kind === "key" ? `column ${where.column} of ${where.columns}` : where.kind === "fixed" ? `shard ${where.shard}` : where.kind;
}
