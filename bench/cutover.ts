import { freePort } from "../src/embedded/free-port.js";
import { runEnds } from "../test/support/at-end.js";
import { APP_PASSWORD, databasesToml, generalToml, ServedFiles, usersToml } from "../test/support/served.js";
import { ServedProcess } from "../test/support/served-process.js";
import { KINDS, readTold, TOLD_SCHEMA, toldShardingToml, ToldWriters } from "../test/support/told-writers.js";
import { figure } from "./result-table.js";
import type { Measured } from "./result.js";
import type { BenchOptions } from "./options.js";
import { execute, SETTINGS_TEXT, withServers } from "./servers.js";
import { spreadOf } from "./statistics.js";

const DATABASE = "shop";
/** As long as a look at the applications when nothing happens, in milliseconds. */
const QUIET = 1000;

/**
 * The longest transaction that applications see around a cutover, beside the longest of a second without one: there and back
 * by turns, through `pg-reshard serve` as a process of its own, as many applications of six kinds as fast as they can.
 */
export async function benchCutover({ rounds }: BenchOptions): Promise<Measured[]> {
  return await withServers(3, async ([source, ...shards]) => {
    await source!.createDatabase(DATABASE);
    await execute(source!, DATABASE, TOLD_SCHEMA);
    for (const shard of shards) await shard.createDatabase(DATABASE);
    try {
      const port = await freePort();
      const places = { prod: [{ cluster: source!, database: DATABASE }], prod_2x: shards.map((cluster) => ({ cluster, database: DATABASE })) };
      const served = new ServedProcess(new ServedFiles(generalToml("two_phase_commit = true", port) + databasesToml(places) + toldShardingToml("prod_2x"), usersToml(source!)), port);
      await served.start();
      const writers = await ToldWriters.start({ login: { host: "127.0.0.1", port, user: "app", password: APP_PASSWORD, database: "prod" }, writers: KINDS, thinks: 0 });
      await writers.more(100);
      await served.command("RESHARD prod prod_2x all_tables");
      const tasks: string[] = [];
      const switched = async (): Promise<void> => {
        tasks.push((await writers.during(() => served.streamingBack(...tasks))).id);
      };
      await switched();
      const [longest, quiet, paused, rates]: number[][] = [[], [], [], []];
      for (let round = 0; round < rounds; round++) {
        await writers.more(100);
        writers.takeLongest();
        const before = writers.transactions;
        await new Promise((resolve) => setTimeout(resolve, QUIET));
        rates!.push(((writers.transactions - before) * 1000) / QUIET);
        quiet!.push(writers.takeLongest() / 1000);
        await served.command(`CUTOVER ${tasks.at(-1)!}`);
        await switched();
        longest!.push(writers.takeLongest() / 1000);
        const [cutover] = await served.command<{ paused_ms: number }>("SHOW CUTOVER");
        paused!.push(cutover!.paused_ms);
      }
      await writers.stop();
      const inCharge = rounds % 2 === 0 ? shards : [source!];
      const clients = await Promise.all(inCharge.map((cluster) => cluster.connect(DATABASE)));
      const faults = writers.faults(await readTold(clients));
      await Promise.all(clients.map((client) => client.end()));
      if (faults.length > 0) throw new Error(`rows are not what applications were told:\n${faults.join("\n")}`);
      return [
        {
          benchmark: "cutover",
          what: "the longest transaction that applications saw",
          subject: { label: "around a cutover", seconds: longest! },
          baseline: { label: "in a second without one", seconds: quiet! },
          amounts: [{ unit: "cutovers", amount: 1 }],
          target: { of: "time", bound: "at most", value: 0.2, text: "under 200 ms at the median" },
          conditions: {
            "applications waited": `${figure(spreadOf(paused!).median)} ms at the median, each: ${paused!.map((ms) => ms.toFixed(0)).join(", ")}`,
            applications: `${KINDS} of as many kinds, ${figure(spreadOf(rates!).median)} transactions/s, ${writers.transactions} in all, every one of them stored once`,
            topology: "1 server and 2, there and back by turns, two-phase commit on the shards",
            settings: SETTINGS_TEXT,
          },
        },
      ];
    } finally {
      await runEnds();
    }
  });
}
