import { commitInTwoPhases } from "../../../src/gateway/sharded/two-phase-commit.js";
import { TransactionNames } from "../../../src/gateway/sharded/two-phase-gid.js";
import { rawParticipant } from "./raw-participant.js";
import { RawSession } from "./raw-session.js";

/*
 * Commits transactions, several at a time, and kills itself at the n-th time that one of them comes to a step.
 */

interface Orders {
  readonly server: { readonly host: string; readonly port: number; readonly user: string; readonly password: string };
  readonly databases: readonly string[];
  readonly identities: readonly string[];
  readonly sessions: number;
  readonly transactions: number;
  readonly step: string;
  readonly count: number;
}

const orders = JSON.parse(process.argv[2]!) as Orders;
const names = new TransactionNames();
let seen = 0;

async function work(first: number): Promise<void> {
  const sessions = await Promise.all(orders.databases.map((database) => RawSession.open(orders.server, database)));
  const participants = sessions.map((session, shard) => rawParticipant(session, shard, orders.identities[shard]!));
  for (let id = first; id < orders.transactions; id += orders.sessions) {
    await Promise.all(participants.map(async (participant) => await participant.execute("BEGIN", `INSERT INTO t VALUES (${id})`)));
    const [decider, ...others] = [...participants.slice(id % participants.length), ...participants.slice(0, id % participants.length)];
    await commitInTwoPhases({
      transaction: names.next(), decider: decider!, others, ...(id % 2 === 0 ? { last: others[0]! } : {}),
      onStep(step) {
        if (step === orders.step && ++seen === orders.count) process.kill(process.pid, "SIGKILL");
      },
    });
    process.stdout.write(`${id}\n`);
  }
  await Promise.all(sessions.map((session) => session.end()));
}

await Promise.all(Array.from({ length: orders.sessions }, (_, session) => work(session)));
