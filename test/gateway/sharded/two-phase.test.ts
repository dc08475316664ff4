import { spawn } from "node:child_process";
import path from "node:path";
import type pg from "pg";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ServerAddress } from "../../../src/config/types.js";
import type { Cluster } from "../../../src/embedded/cluster.js";
import { commitInTwoPhases, type Participant, type TwoPhaseStep } from "../../../src/gateway/sharded/two-phase-commit.js";
import { formatGid, parseGid, TransactionNames } from "../../../src/gateway/sharded/two-phase-gid.js";
import { recoverTwoPhase, type TwoPhaseRecovery } from "../../../src/gateway/sharded/two-phase-recovery.js";
import { checkPreparedTransactions } from "../../../src/gateway/sharded/two-phase-shard.js";
import { createProgressTables, dropProgressTables, hasProgressTables } from "../../../src/progress/progress-tables.js";
import { WireError } from "../../../src/wire/wire-error.js";
import { startTestCluster } from "../../support/cluster.js";
import { untilRow } from "../../support/raw-client.js";
import { rawParticipant } from "./raw-participant.js";
import { RawSession } from "./raw-session.js";

const DATABASES = ["zero", "one", "two"];
const names = new TransactionNames();

let cluster: Cluster;
let addresses: ServerAddress[];
let identities: string[];
let clients: pg.Client[];
let sessions: RawSession[];

beforeAll(async () => {
  cluster = await startTestCluster({ settings: { max_prepared_transactions: 50, synchronous_commit: "off" } });
  for (const database of DATABASES) await cluster.createDatabase(database);
  addresses = DATABASES.map((database) => ({ host: cluster.host, port: cluster.port, user: cluster.user, password: cluster.password, database, sslmode: "disable" }));
  // Twice at once: the tables are made once.
  const [first] = await Promise.all([recoverTwoPhase(addresses), recoverTwoPhase(addresses)]);
  identities = first.shards.map((shard) => shard!.identity);
  clients = await Promise.all(DATABASES.map((database) => cluster.connect(database)));
});

beforeEach(async () => {
  for (const client of clients) await client.query("DROP TABLE IF EXISTS t; CREATE TABLE t (id int8 PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)");
  sessions = await Promise.all(DATABASES.map((database) => RawSession.open(cluster, database)));
});
afterEach(async () => {
  await Promise.all(sessions.map((session) => session.end()));
});

async function participants(): Promise<Participant[]> {
  const all = sessions.map((session, shard) => rawParticipant(session, shard, identities[shard]!));
  for (const participant of all) await participant.execute("BEGIN", "INSERT INTO t VALUES (1)");
  return all;
}

async function rowsOf(client: pg.Client): Promise<number[]> {
  const { rows } = await client.query<{ id: string }>("SELECT id FROM t ORDER BY id");
  return rows.map(({ id }) => Number(id));
}

async function rows(): Promise<number[][]> {
  return await Promise.all(clients.map(rowsOf));
}

async function preparedCount(): Promise<number> {
  const { rows: [row] } = await clients[0]!.query<{ count: string }>("SELECT count(*) FROM pg_prepared_xacts");
  return Number(row!.count);
}

/** Until nobody is at work any more: a server hears that a process has died when it looks at its connection. */
async function recovered(): Promise<TwoPhaseRecovery> {
  const sum = { committed: 0, rolledBack: 0 };
  for (;;) {
    const recovery = await recoverTwoPhase(addresses);
    expect(recovery.failures).toEqual([]);
    sum.committed += recovery.committed;
    sum.rolledBack += recovery.rolledBack;
    if (recovery.left === 0) return { ...recovery, ...sum };
  }
}

describe("commit", () => {
  test("on all shards, step by step, and its decision is forgotten", async () => {
    const [decider, ...others] = await participants();
    const steps: TwoPhaseStep[] = [];
    expect(await commitInTwoPhases({ transaction: names.next(), decider: decider!, others, last: others[0]!, onStep: (step) => steps.push(step) })).toEqual({ kind: "committed" });
    expect(steps).toEqual(["noted", "prepared", "prepared", "all-prepared", "decided", "committed", "committed", "all-committed"]);
    expect(await rows()).toEqual([[1], [1], [1]]);
    expect(await recoverTwoPhase(addresses)).toMatchObject({ committed: 0, rolledBack: 0, left: 0, forgotten: 1 });
    expect(await recoverTwoPhase(addresses)).toMatchObject({ forgotten: 0 });
  });

  test.each([0, 1, 2])("shard %s cannot: nowhere", async (failing) => {
    // Its key is looked at when it prepares, or commits.
    await clients[failing]!.query("INSERT INTO t VALUES (1)");
    const [decider, ...others] = await participants();
    await expect(commitInTwoPhases({ transaction: names.next(), decider: decider!, others })).rejects.toMatchObject({ sqlState: "23505", fatal: false });
    expect(await rows()).toEqual([0, 1, 2].map((shard) => (shard === failing ? [1] : [])));
    expect(await preparedCount()).toBe(0);
    // Their sessions are of use.
    for (const participant of [decider!, ...others]) expect(await participant.execute("BEGIN", "COMMIT")).toBe("COMMIT");
    expect(await recoverTwoPhase(addresses)).toMatchObject({ committed: 0, rolledBack: 0, forgotten: 0 });
  });

  test("a transaction that had failed is not committed", async () => {
    const [decider, ...others] = await participants();
    await expect(others[1]!.execute("SELECT 1 / 0")).rejects.toMatchObject({ sqlState: "22012" });
    await expect(commitInTwoPhases({ transaction: names.next(), decider: decider!, others })).rejects.toMatchObject({ sqlState: "40000" });
    expect(await rows()).toEqual([[], [], []]);
    expect(await preparedCount()).toBe(0);
  });

  test("by a role that may do nothing in the schema reshard", async () => {
    await clients[0]!.query("DROP ROLE IF EXISTS nobody; CREATE ROLE nobody");
    for (const client of clients) await client.query("GRANT INSERT ON t TO nobody");
    const all = sessions.map((session, shard) => rawParticipant(session, shard, identities[shard]!));
    for (const participant of all) await participant.execute("BEGIN", "SET LOCAL ROLE nobody", "SET LOCAL search_path = ''", "INSERT INTO public.t VALUES (1)");
    const [decider, ...others] = all;
    expect(await commitInTwoPhases({ transaction: names.next(), decider: decider!, others })).toEqual({ kind: "committed" });
    expect(await rows()).toEqual([[1], [1], [1]]);
    for (const client of clients) await client.query("DROP OWNED BY nobody");
    await clients[0]!.query("DROP ROLE nobody");
  });

  test("a decider that is lost during its commit: nobody knows, and recovery finds out", async () => {
    const [decider, ...others] = await participants();
    const killed: Participant = { ...decider!, async execute(...statements) {
      if (statements[0] === "COMMIT") await clients[0]!.query("SELECT pg_terminate_backend($1, 10000)", [sessions[0]!.server.processId]);
      return await decider!.execute(...statements);
    } };
    await expect(commitInTwoPhases({ transaction: names.next(), decider: killed, others })).rejects.toMatchObject({ sqlState: "08007", fatal: true });
    expect(await preparedCount()).toBe(2);
    expect(await recovered()).toMatchObject({ committed: 0, rolledBack: 2 });
    expect(await rows()).toEqual([[], [], []]);
  });

  test("decisions outlive the bookkeeping of a resharding", async () => {
    const [decider, ...others] = await participants();
    const deaf: Participant = { ...others[0]!, async execute(...statements) {
      if (statements[0]!.startsWith("COMMIT PREPARED")) throw new WireError("08006", "it does not hear", { severity: "FATAL" });
      return await others[0]!.execute(...statements);
    } };
    expect(await commitInTwoPhases({ transaction: names.next(), decider: decider!, others: [deaf, others[1]!] })).toMatchObject({ kind: "unfinished", shards: [1] });
    for (const client of clients) {
      await createProgressTables(client);
      await dropProgressTables(client);
      expect(await hasProgressTables(client)).toBe(false);
    }
    expect(await recovered()).toMatchObject({ committed: 1, rolledBack: 0 });
    expect(await rows()).toEqual([[1], [1], [1]]);
  });

  test.each(["gateway", "resharding"])("the tables of a resharding and those of a %s that begins at once are made, once", async (other) => {
    const database = `begun_with_a_${other}`;
    await cluster.createDatabase(database);
    const [one, two] = [await cluster.connect(database), await cluster.connect(database)];
    await one.query("BEGIN");
    await createProgressTables(one);
    await two.query("BEGIN");
    const making = other === "gateway" ? recoverTwoPhase([{ ...addresses[0]!, database }]).then(({ failures }) => failures) : createProgressTables(two).then(() => []);
    making.catch(() => undefined);
    await untilRow(clients[0]!, "SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'", [database]);
    await one.query("COMMIT");
    expect(await making).toEqual([]);
    await two.query("COMMIT");
    expect(await hasProgressTables(one)).toBe(true);
    await Promise.all([one.end(), two.end()]);
  });

  test("a shard that is lost after the decision is told later", async () => {
    const [decider, ...others] = await participants();
    const lost: Participant = { ...others[0]!, async execute(...statements) {
      if (statements[0]!.startsWith("COMMIT PREPARED")) await clients[0]!.query("SELECT pg_terminate_backend($1, 10000)", [sessions[1]!.server.processId]);
      return await others[0]!.execute(...statements);
    } };
    expect(await commitInTwoPhases({ transaction: names.next(), decider: decider!, others: [lost, others[1]!] })).toMatchObject({ kind: "unfinished", shards: [1] });
    expect(await rows()).toEqual([[1], [], [1]]);
    // A server that has been restarted has what was prepared.
    await cluster.restart();
    clients = await Promise.all(DATABASES.map((database) => cluster.connect(database)));
    expect(await recovered()).toMatchObject({ committed: 1, rolledBack: 0 });
    expect(await rows()).toEqual([[1], [1], [1]]);
  });
});

describe("recovery", () => {
  test.each(["PREPARE TRANSACTION", "COMMIT", "COMMIT PREPARED"])("does not overtake a coordinator before its %s", async (moment) => {
    const [decider, ...others] = await participants();
    let reached!: () => void;
    const waits = new Promise<void>((resolve) => (reached = resolve));
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    let waiting = moment === "COMMIT" ? 1 : 2;
    const slow = (participant: Participant): Participant => ({ ...participant, async execute(...statements) {
      if (statements[0] === moment || (moment !== "COMMIT" && statements[0]!.startsWith(moment))) {
        if (--waiting === 0) reached();
        await opened;
      }
      return await participant.execute(...statements);
    } });
    const committing = commitInTwoPhases({ transaction: names.next(), decider: slow(decider!), others: others.map(slow) });
    await waits;
    const recovery = await recoverTwoPhase(addresses);
    // After the decision it may finish what the coordinator is about to.
    expect(recovery).toMatchObject(moment === "COMMIT PREPARED" ? { committed: 2, rolledBack: 0, left: 0 } : { committed: 0, rolledBack: 0, left: moment === "COMMIT" ? 2 : 0 });
    open();
    expect(await committing).toEqual({ kind: "committed" });
    expect(await rows()).toEqual([[1], [1], [1]]);
    await recovered();
  });

  test("leaves alone what is young, not its own, or decided by a shard that it does not know", async () => {
    const gid = formatGid({ decider: "0".repeat(16), transaction: names.next(), identity: identities[1]! });
    await clients[1]!.query(`BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION '${gid}'`);
    await clients[2]!.query("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'reshard/of somebody else'");
    expect(await recoverTwoPhase(addresses)).toMatchObject({ committed: 0, rolledBack: 0, left: 1 });
    expect(await recoverTwoPhase(addresses, 3_600_000)).toMatchObject({ left: 1 });
    await clients[1]!.query(`ROLLBACK PREPARED '${gid}'`);
    await clients[2]!.query("ROLLBACK PREPARED 'reshard/of somebody else'");
  });

  test("keeps decisions while a shard cannot be asked", async () => {
    const [decider, ...others] = await participants();
    await commitInTwoPhases({ transaction: names.next(), decider: decider!, others });
    const unreachable = addresses.map((address, shard) => (shard === 2 ? { ...address, database: "nowhere" } : address));
    const recovery = await recoverTwoPhase(unreachable);
    expect(recovery).toMatchObject({ forgotten: 0, failures: [{ shard: 2, error: { code: "DATABASE_MISSING" } }] });
    expect(recovery.shards[2]).toBeUndefined();
    expect(await recoverTwoPhase(addresses)).toMatchObject({ forgotten: 1 });
  });

  test("a server without prepared transactions is told", () => {
    expect(() => { checkPreparedTransactions({ identity: "", maxPreparedTransactions: 0 }, addresses[0]!); }).toThrow(expect.objectContaining({ code: "TWO_PHASE_UNAVAILABLE" }));
  });

  test("identifiers", () => {
    const gid = { decider: identities[0]!, transaction: names.next(), identity: identities[2]! };
    expect(parseGid(formatGid(gid))).toEqual(gid);
    expect(formatGid(gid).length).toBeLessThan(200);
    expect(parseGid("reshard/x")).toBeUndefined();
    expect(new Set([...identities, names.next(), names.next()]).size).toBe(5);
  });
});

describe("killed (SIGKILL)", () => {
  const MOMENTS: readonly (readonly [TwoPhaseStep, number])[] = [["noted", 5], ["prepared", 8], ["prepared", 9], ["all-prepared", 6], ["decided", 6], ["committed", 7], ["committed", 8]];

  test.each(MOMENTS)("at %s, the %s. time", async (step, count) => {
    const child = path.join(import.meta.dirname, "two-phase-child.ts");
    const { host, port, user, password } = cluster;
    const orders = { server: { host, port, user, password }, databases: DATABASES, identities, sessions: 4, transactions: 40, step, count };
    const process_ = spawn(process.execPath, ["--import", "tsx", child, JSON.stringify(orders)], { stdio: ["ignore", "pipe", "pipe"] });
    let told = "";
    let errors = "";
    process_.stdout.setEncoding("utf8").on("data", (text: string) => (told += text));
    process_.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const signal = await new Promise((resolve) => process_.once("close", (_code, by) => { resolve(by); }));
    expect([signal, errors]).toEqual(["SIGKILL", ""]);

    // Three processes start again at once.
    await Promise.all([recovered(), recovered(), recovered()]);
    expect(await preparedCount()).toBe(0);
    const [zero, one, two] = await rows();
    // All or nothing, and what the client was told is there.
    expect(one).toEqual(zero);
    expect(two).toEqual(zero);
    expect(zero).toEqual(expect.arrayContaining(told.split("\n").slice(0, -1).map(Number)));
    await recovered();
    const left = await clients[0]!.query("SELECT * FROM reshard.two_phase_decision");
    expect(left.rows).toEqual([]);
  });
});
