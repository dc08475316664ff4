import type { Cluster } from "../src/embedded/cluster.js";
import { execute, PUBLICATION } from "./servers.js";

/** Rows of accounts that the updates are spread over: few are hit twice within a batch. */
const ACCOUNTS = 500_000;

/** Two tables of pgbench, the second with a key of its own; filled as the transactions below find them. */
const TABLES = [
  `CREATE TABLE public.accounts (aid int4 PRIMARY KEY, bid int4 NOT NULL, abalance int4 NOT NULL, filler char(84) NOT NULL)`,
  `CREATE TABLE public.history (hid int8 PRIMARY KEY, aid int4 NOT NULL, delta int4 NOT NULL, mtime timestamptz NOT NULL, filler char(22) NOT NULL)`,
  `INSERT INTO public.accounts SELECT i, i / 1000, 0, '' FROM generate_series(1, ${ACCOUNTS}) AS i`,
];

/** Makes a database with the tables; others are copied from it. */
export async function createTemplate(cluster: Cluster, name: string): Promise<void> {
  await cluster.createDatabase(name);
  await execute(cluster, name, ...TABLES, "VACUUM ANALYZE");
}

export async function createFrom(cluster: Cluster, template: string, name: string): Promise<void> {
  await execute(cluster, "postgres", `CREATE DATABASE ${name} TEMPLATE ${template}`);
}

export async function publishTables(cluster: Cluster, database: string): Promise<void> {
  await execute(cluster, database, `CREATE PUBLICATION ${PUBLICATION} FOR ALL TABLES`);
}

/** Commits that many transactions of two statements, an update and an insert; the last inserts `hid` = `transactions`. */
export async function writeBacklog(cluster: Cluster, database: string, transactions: number): Promise<void> {
  await execute(
    cluster,
    database,
    "SET synchronous_commit = off",
    `CREATE PROCEDURE public.write_backlog() LANGUAGE plpgsql AS $$
       DECLARE account int4;
       BEGIN
         FOR i IN 1..${transactions} LOOP
           account := 1 + floor(random() * ${ACCOUNTS});
           UPDATE public.accounts SET abalance = abalance + i % 1000 WHERE aid = account;
           INSERT INTO public.history VALUES (i, account, i % 1000, clock_timestamp(), 'h');
           COMMIT;
         END LOOP;
       END $$`,
    "CALL public.write_backlog()",
  );
}

/** Something that differs where a single change was lost. */
export async function fingerprint(cluster: Cluster, database: string): Promise<string> {
  const [row] = await execute<{ fingerprint: string }>(
    cluster,
    database,
    `SELECT concat_ws(' ', (SELECT concat_ws(' ', count(*), sum(hashtextextended(a::text, 0)::numeric)) FROM public.accounts AS a),
                           (SELECT concat_ws(' ', count(*), sum(hashtextextended(h::text, 0)::numeric)) FROM public.history AS h)) AS fingerprint`,
  );
  return row!.fingerprint;
}
