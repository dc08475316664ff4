/** One table of the shop, and what places its rows. */
export interface ShopTable {
  readonly schema: string;
  readonly name: string;
  /** The type of the sharding key, or `omnisharded`: the same rows on every shard. */
  readonly kind: "bigint" | "uuid" | "text" | "omnisharded";
  /** Absent where the table is omnisharded. */
  readonly keyColumn?: string;
}

/** Every table of `shopSchema`, parents before children. */
export const shopTables: readonly ShopTable[] = [
  { schema: "public", name: "countries", kind: "omnisharded" },
  { schema: "public", name: "settings", kind: "omnisharded" },
  { schema: "public", name: "tags", kind: "omnisharded" },
  { schema: "public", name: "products", kind: "omnisharded" },
  { schema: "public", name: "users", kind: "bigint", keyColumn: "id" },
  { schema: "public", name: "orders", kind: "bigint", keyColumn: "user_id" },
  { schema: "public", name: "order_items", kind: "bigint", keyColumn: "user_id" },
  { schema: "public", name: "Order Notes", kind: "bigint", keyColumn: "user_id" },
  { schema: "public", name: "cart_items", kind: "bigint", keyColumn: "user_id" },
  { schema: "public", name: "user_tags", kind: "bigint", keyColumn: "user_id" },
  { schema: "public", name: "documents", kind: "bigint", keyColumn: "user_id" },
  { schema: "public", name: "devices", kind: "uuid", keyColumn: "id" },
  { schema: "public", name: "sessions", kind: "uuid", keyColumn: "device_id" },
  { schema: "crm", name: "tenants", kind: "text", keyColumn: "slug" },
  { schema: "crm", name: "tenant_events", kind: "text", keyColumn: "tenant" },
];
