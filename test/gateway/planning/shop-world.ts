import type { ShardingRules } from "../../../src/config/types.js";

/** Tables of each kind: by a bigint, a uuid, a text; the same everywhere; on one shard. */
export const PLANNING_SCHEMA = `
CREATE SCHEMA archive;
CREATE SCHEMA crm;
CREATE SCHEMA reshard;
CREATE TABLE reshard.hashed_bigint (key bigint NOT NULL) PARTITION BY HASH (key);
CREATE FUNCTION reshard.next_key(sequence regclass, shards integer, shard integer) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN nextval(sequence); END $$;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN short_name AS varchar(8);

CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE, name text COLLATE "unicode", active boolean NOT NULL DEFAULT true, score double precision, age integer, mood mood, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE items (user_id bigint NOT NULL, n integer NOT NULL, price numeric NOT NULL DEFAULT 1, note short_name, PRIMARY KEY (user_id, n));
CREATE SEQUENCE carts_id_seq;
CREATE TABLE carts (user_id bigint PRIMARY KEY DEFAULT reshard.next_key('carts_id_seq'::regclass, 3, 0), note text);
CREATE TABLE tenants (slug varchar(12) PRIMARY KEY, plan text NOT NULL DEFAULT 'free');
CREATE TABLE crm.events (tenant text NOT NULL, number bigint NOT NULL, payload jsonb, PRIMARY KEY (tenant, number));
CREATE TABLE devices (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), model text);
CREATE TABLE parted (user_id bigint NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE parted_2026 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL, rank integer NOT NULL DEFAULT 0);
CREATE TABLE products (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku text NOT NULL UNIQUE, price numeric NOT NULL, made_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE settings (name text PRIMARY KEY, value text, revision serial);
CREATE TABLE touched (id bigint PRIMARY KEY, at timestamptz);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := clock_timestamp(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON touched FOR EACH ROW EXECUTE FUNCTION touch();

CREATE TABLE groups (slug text PRIMARY KEY, note text);
CREATE TABLE members (group_slug text NOT NULL REFERENCES groups ON UPDATE CASCADE, n integer, PRIMARY KEY (group_slug, n));
CREATE TABLE computed (user_id bigint GENERATED ALWAYS AS (base * 2) STORED, base bigint);
CREATE TABLE guarded (user_id bigint PRIMARY KEY, note text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded USING (EXISTS (SELECT FROM groups WHERE slug = note));
CREATE TABLE archive.logs (id bigint PRIMARY KEY, line text);
CREATE TABLE archive.notes (id bigint PRIMARY KEY, log_id bigint);

CREATE TABLE wrong (id bigint PRIMARY KEY);
CREATE VIEW active_users AS SELECT id, email, age FROM users WHERE active;
CREATE VIEW item_counts AS SELECT user_id, count(*) AS items FROM items GROUP BY user_id;
CREATE VIEW ages AS SELECT age, count(*) AS users FROM users GROUP BY age;
CREATE MATERIALIZED VIEW rich_items AS SELECT user_id, n, price FROM items WHERE price > 10;

CREATE FUNCTION own_operator(a integer, b integer) RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT true';
CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = own_operator);
CREATE FUNCTION own_volatile(x bigint) RETURNS bigint LANGUAGE sql AS 'SELECT x';
CREATE FUNCTION own_immutable(x bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT x';
`;

const HASHED = { hasher: "postgres", mapping: [] } as const;

export const PLANNING_RULES: ShardingRules = {
  tables: [
    { column: "user_id", dataType: "bigint", ...HASHED },
    { name: "users", column: "id", dataType: "bigint", ...HASHED },
    { name: "tenants", column: "slug", dataType: "varchar", ...HASHED },
    { name: "events", schema: "crm", column: "tenant", dataType: "varchar", ...HASHED },
    { name: "members", column: "group_slug", dataType: "varchar", ...HASHED },
    { name: "wrong", column: "missing", dataType: "bigint", ...HASHED },
    { name: "devices", column: "id", dataType: "uuid", ...HASHED },
  ],
  schemas: [{ name: "archive", shard: 1 }],
  omnisharded: [],
};
