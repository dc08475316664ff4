import type pg from "pg";
import { inLanes } from "../in-lanes.js";
import { quoteIdentifier } from "../postgres/identifiers.js";
import { shopTables } from "./shop-tables.js";

/** Part of all rows that a table gets, as in a shop that has run for a while. Together 1. */
const SHARES = {
  products: 0.005,
  users: 0.1,
  orders: 0.25,
  order_items: 0.4,
  order_notes: 0.025,
  cart_items: 0.05,
  user_tags: 0.06,
  documents: 0.004,
  devices: 0.036,
  sessions: 0.054,
  tenants: 0.001,
  tenant_events: 0.015,
};

type Rows = Readonly<Record<keyof typeof SHARES, number>>;

const COUNTRIES = ["at", "au", "be", "br", "ca", "ch", "cn", "cz", "de", "dk", "es", "fi", "fr", "gb", "gr", "ie", "in", "it", "jp", "kr", "mx", "nl", "no", "nz", "pl", "pt", "se", "sg", "us", "za"];
const TAGS = 40;

/**
 * Fills an empty database that has `shopSchema` with about `rows` rows in all (at least some in every table), and
 * analyzes it. Each session does a part, in one transaction; nothing is committed before all have done theirs. The rows
 * depend on `rows` alone. Needs superusers: foreign keys are not checked row by row (`session_replication_role`), the
 * rows are made to satisfy them. Returns the number of rows.
 */
export async function loadShop(sessions: readonly pg.Client[], rows: number): Promise<number> {
  let loaded = 0;
  const inAll = async (sql: string): Promise<void> => { await Promise.all(sessions.map((client) => client.query(sql))); };
  const share = async <Item>(items: readonly Item[], work: (item: Item, client: pg.Client) => Promise<void>): Promise<void> => {
    await inLanes(items, { width: sessions.length, ready: sessions.length, open: (lane) => Promise.resolve(sessions[lane]!), work });
  };
  // Not the server's settings but ours decide what a date or a timestamp in the statements means.
  await inAll("BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = ISO; SET LOCAL synchronous_commit = off");
  try {
    await share(parts(rowsByTable(rows)), async (statements, client) => {
      for (const statement of statements) {
        const { rowCount } = await client.query(statement);
        loaded += rowCount ?? 0;
      }
    });
    await inAll("COMMIT");
  } catch (error) {
    await inAll("ROLLBACK");
    throw error;
  }
  await sessions[0]!.query(SEQUENCES);
  await share(shopTables, async ({ schema, name }, client) => { await client.query(`ANALYZE ${quoteIdentifier(schema)}.${quoteIdentifier(name)}`); });
  return loaded;
}

function rowsByTable(rows: number): Rows {
  const counts: Record<keyof typeof SHARES, number> = { ...SHARES };
  for (const table of Object.keys(SHARES) as (keyof typeof SHARES)[]) counts[table] = Math.max(10, Math.round(rows * SHARES[table]));
  return counts;
}

/** A fraction in [0, 1) that looks random and is the same everywhere: multiplication by 2^32 / golden ratio. */
const scattered = (expression: string): string => `((${expression})::bigint * 2654435769 % 4294967296 / 4294967296.0::float8)`;

/** A number in 1..`count`, all equally likely, for the row `expression`. */
const spread = (expression: string, count: number): string => `(1 + floor(${scattered(expression)} * ${count}))::bigint`;

/** The same, but low numbers come up more often, as good customers do. */
const skewed = (expression: string, count: number): string => `(1 + floor(power(${scattered(expression)}, 1.5) * ${count}))::bigint`;

const START = "timestamptz '2023-01-01 00:00:00+00'";

/** What can be done side by side: lists of statements that need what those before them wrote. The list that takes longest comes first. */
function parts(n: Rows): readonly (readonly string[])[] {
  return [ordersOf(n), ...others(n).map((statement) => [statement])];
}

/** `user_tags` and `cart_items` step over duplicates by construction. */
function others(n: Rows): readonly string[] {
  return [
    `INSERT INTO countries
      SELECT code, upper(code) || 'land', (i % 26) / 100.0 FROM unnest(ARRAY['${COUNTRIES.join("','")}']) WITH ORDINALITY AS c (code, i)`,
    `INSERT INTO settings (name, value)
      SELECT 'setting.' || i, jsonb_build_object('level', i, 'on', i % 2 = 0) FROM generate_series(1, 20) i`,
    `INSERT INTO tags SELECT i, 'tag ' || i FROM generate_series(1, ${TAGS}) i`,
    `INSERT INTO products OVERRIDING SYSTEM VALUE
      SELECT i, 'SKU-' || i, 'Product № ' || i, 1 + i * 37 % 20000 / 100.0,
        CASE WHEN i % 4 = 0 THEN '{}' ELSE ARRAY['label ' || i % 7, 'a "quoted", label', NULL] END,
        CASE WHEN i % 3 > 0 THEN jsonb_build_object('color', i % 12, 'sizes', jsonb_build_array(i % 5, 'L', NULL)) END,
        CASE WHEN i % 5 > 0 THEN i % 1000 / 8.0 END, ${START} + i * interval '1 hour'
      FROM generate_series(1, ${n.products}) i`,
    `INSERT INTO users
      SELECT i, 'user' || i || '@example.org', 'Üser ' || md5(i::text), (ARRAY['${COUNTRIES.join("','")}'])[${spread("i * 7", COUNTRIES.length)}],
        jsonb_build_object('theme', i % 3, 'language', chr(97 + i % 26)),
        CASE WHEN i % 10 = 0 THEN decode(md5(i::text) || md5('avatar' || i), 'hex') END,
        i % 50 > 0, ${START} + i * interval '47 seconds', ${START} + i * interval '61 seconds'
      FROM generate_series(1, ${n.users}) i`,
    // Users cycle before products do, so no pair comes twice: user = i mod users, product steps with every cycle.
    `INSERT INTO cart_items
      SELECT 1 + i % ${n.users}, 1 + (i / ${n.users} + i % ${n.users}) % ${n.products}, 1 + i % 3, ${START} + i * interval '29 seconds'
      FROM generate_series(0, ${Math.min(n.cart_items, n.users * n.products) - 1}) i`,
    `INSERT INTO user_tags
      SELECT user_id, 1 + (user_id * 7 + tag) % ${TAGS} FROM generate_series(1, ${Math.min(n.users, Math.ceil(n.user_tags / 3))}) user_id, generate_series(0, 2) tag`,
    // 8 to 13 kB of body each; attachments barely compress, a third has none.
    `INSERT INTO documents (id, user_id, title, body, attachment, views, updated_at)
      SELECT i, ${spread("i * 5", n.users)}, 'Document ' || i, repeat(md5(i::text) || E' größe\\n', 200 + i % 120),
        CASE WHEN i % 3 > 0 THEN (SELECT decode(string_agg(md5(i::text || part), ''), 'hex') FROM generate_series(1, 150 + i % 100) part) END,
        i % 1000, ${START} + i * interval '1 minute'
      FROM generate_series(1, ${n.documents}) i`,
    `INSERT INTO devices
      SELECT md5('device ' || i)::uuid, 'Model ' || i % 17, 'SN' || i, ARRAY[i % 5, NULL, -i], inet '10.0.0.0' + i, CASE WHEN i % 6 > 0 THEN ${START} + i * interval '5 minutes' END
      FROM generate_series(1, ${n.devices}) i`,
    `INSERT INTO sessions
      SELECT md5('session ' || i)::uuid, md5('device ' || ${spread("i", n.devices)})::uuid, decode(md5('token ' || i), 'hex'),
        CASE WHEN i % 8 > 0 THEN make_interval(secs => i % 100000) END,
        CASE i % 100 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' ELSE sqrt(i::float8) END, date '2023-01-01' + (i % 900)::integer
      FROM generate_series(1, ${n.sessions}) i`,
    `INSERT INTO crm.tenants
      SELECT 'tenant-' || i, 'Tenant ' || i || ' ✓', CASE WHEN i % 7 > 0 THEN (ARRAY['${COUNTRIES.join("','")}'])[${spread("i", COUNTRIES.length)}] END,
        CASE WHEN i % 4 > 0 THEN jsonb_build_object('seats', i % 500) END
      FROM generate_series(1, ${n.tenants}) i`,
    `INSERT INTO crm.tenant_events
      SELECT 'tenant-' || (1 + i % ${n.tenants}), 1 + i / ${n.tenants}, (ARRAY['created', 'invoiced', 'paid'])[1 + i % 3],
        jsonb_build_object('n', i), CASE i % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN NULL ELSE i * 1.001 END
      FROM generate_series(0, ${n.tenant_events - 1}) i`,
  ];
}

/** Order items and notes take their user from the order. */
function ordersOf(n: Rows): readonly string[] {
  return [
    `INSERT INTO orders OVERRIDING SYSTEM VALUE
      SELECT i, ${skewed("i", n.users)},
        (ARRAY['delivered', 'paid', 'delivered', 'shipped', 'cancelled', 'delivered', 'pending']::order_status[])[1 + i % 7],
        i % 90000 / 100.0, CASE WHEN i % 9 = 0 THEN ARRAY['WELCOME', 'C' || i % 100] END, ${START} + i * interval '17 seconds'
      FROM generate_series(1, ${n.orders}) i`,
    // One to three lines an order, 1.6 on average: that is the ratio of the two shares.
    `INSERT INTO order_items
      SELECT o.id, line, o.user_id, ${spread("o.id * 3 + line", n.products)}, 1 + (o.id + line) % 4, (o.id * 13 + line) % 30000 / 100.0
      FROM orders o, LATERAL generate_series(1, (ARRAY[1, 2, 1, 3, 1])[1 + o.id % 5]) line`,
    `INSERT INTO "Order Notes"
      SELECT id, 1, user_id, CASE WHEN id % 2 = 0 THEN 'größer als ' || id END, 'He said "' || id || E'",\\n\\tand left: \\\\N'
      FROM orders WHERE id % ${Math.max(1, Math.floor(n.orders / n.order_notes))} = 0`,
  ];
}

/** The rows were given their numbers; what comes next continues after them. */
const SEQUENCES = ["tags", "products", "users", "orders", "documents"]
  .map((table) => `SELECT setval(pg_get_serial_sequence('${table}', 'id'), max(id)) FROM ${table}`)
  .join(";");
