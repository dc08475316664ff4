/** What the demo tells beside the pipeline's own events. */
export type DemoEvent =
  | { readonly type: "demo-servers-started"; readonly shards: number; readonly milliseconds: number }
  | { readonly type: "demo-shop-loaded"; readonly tables: number; readonly rows: number; readonly milliseconds: number }
  | { readonly type: "demo-gateway-started"; readonly host: string; readonly port: number; readonly milliseconds: number }
  /** Into the admin database. */
  | { readonly type: "demo-typed"; readonly sql: string }
  /** Applications go on against the side that is in charge since a switch: `longest` transaction since before it, waits included, in milliseconds. */
  | { readonly type: "demo-went-on"; readonly transactions: number; readonly longest: number }
  /** Every second while the writers write; totals so far. */
  | { readonly type: "demo-writers"; readonly writers: number; readonly transactions: number }
  /** `milliseconds` since they began; `rolledBack` on purpose, `retried` after a deadlock. */
  | { readonly type: "demo-writers-stopped"; readonly writers: number; readonly committed: number; readonly rolledBack: number; readonly retried: number; readonly milliseconds: number };
