import type { ShardingRules } from "../../src/config/types.js";
import type { PlacedTable } from "../support/oracle.js";
import { hashed } from "../support/pipeline.js";

/** One kind of table: how rows are named, and how they are spread. Columns are called alike everywhere. */
export interface ModelTable {
  readonly name: string;
  /** Type of `id`; absent where there is no such column. */
  readonly id?: "bigint" | "integer";
  /** Type of `owner`, the sharding key; absent where the table is everywhere. */
  readonly owner?: "bigint" | "integer" | "text";
  /** `code`, unique and the replica identity. */
  readonly code?: boolean;
  readonly key: readonly ("id" | "owner")[];
  /** `title`, and the large `body` and `extra`. */
  readonly texts: readonly string[];
  readonly full?: boolean;
}

const TEXTS = ["title", "body", "extra"];

/** Idle streams are noticed by what is inserted here, so every world has it. */
export const PAIRS: ModelTable = { name: "pairs", id: "bigint", owner: "bigint", key: ["owner", "id"], texts: [] };

export const TABLES: readonly ModelTable[] = [
  { name: "inside", id: "bigint", owner: "bigint", key: ["owner", "id"], texts: TEXTS },
  { name: "outside", id: "bigint", owner: "bigint", key: ["id"], texts: TEXTS },
  { name: "by_text", owner: "text", key: ["owner"], texts: TEXTS },
  { name: "text_outside", id: "bigint", owner: "text", key: ["id"], texts: TEXTS },
  { name: "everywhere", id: "bigint", key: ["id"], texts: TEXTS },
  { name: "by_index", id: "bigint", owner: "bigint", code: true, key: ["id"], texts: TEXTS },
  { name: "whole", id: "bigint", owner: "bigint", key: ["id"], texts: TEXTS, full: true },
  { name: "small", id: "integer", owner: "integer", key: ["id"], texts: TEXTS },
];

/** SQL; on a shard integers are wide, as schema sync makes them. */
export function definitionOf({ name, id, owner, code, key, texts, full }: ModelTable, where: "source" | "shard"): string {
  const wide = (type: string): string => (where === "shard" && type === "integer" ? "bigint" : type);
  const columns = [
    ...(id === undefined ? [] : [`id ${wide(id)} NOT NULL`]),
    ...(owner === undefined ? [] : [`owner ${wide(owner)} NOT NULL`]),
    ...(code === true ? ["code text NOT NULL UNIQUE"] : []),
    ...texts.map((text) => `${text} text`),
    `PRIMARY KEY (${key.join(", ")})`,
  ];
  const large = texts.filter((text) => text !== "title").map((text) => `ALTER ${text} SET STORAGE EXTERNAL`);
  return [
    `CREATE TABLE ${name} (${columns.join(", ")})`,
    ...(large.length === 0 ? [] : [`ALTER TABLE ${name} ${large.join(", ")}`]),
    ...(code === true ? [`ALTER TABLE ${name} REPLICA IDENTITY USING INDEX ${name}_code_key`] : []),
    ...(full === true ? [`ALTER TABLE ${name} REPLICA IDENTITY FULL`] : []),
  ].join("; ");
}

export function rulesOf(tables: readonly ModelTable[]): Pick<ShardingRules, "tables"> {
  const texts = tables.filter(({ owner }) => owner === "text").map(({ name }) => hashed("owner", "varchar", { name }));
  return { tables: [hashed("owner", "bigint"), ...texts] };
}

export function placementOf({ name, owner }: ModelTable): PlacedTable {
  if (owner === undefined) return { schema: "public", name, placement: { kind: "everywhere" } };
  return { schema: "public", name, placement: { kind: "hash", column: "owner", type: owner === "text" ? "text" : "bigint" } };
}
