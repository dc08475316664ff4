/** What the demo tells beside the pipeline's own events. */
export type DemoEvent =
  | { readonly type: "demo-servers-started"; readonly shards: number; readonly milliseconds: number }
  | { readonly type: "demo-shop-loaded"; readonly tables: number; readonly rows: number; readonly milliseconds: number }
  /** Every second while the writers write; totals so far. */
  | { readonly type: "demo-writers"; readonly writers: number; readonly transactions: number }
  /** `milliseconds` since they began; `rolledBack` on purpose, `retried` after a deadlock. */
  | { readonly type: "demo-writers-stopped"; readonly writers: number; readonly committed: number; readonly rolledBack: number; readonly retried: number; readonly milliseconds: number };
