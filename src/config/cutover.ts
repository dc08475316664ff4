import { problemAt } from "./rows.js";
import type { Problem } from "./configuration-error.js";
import type { CutoverRow } from "./grammar.js";
import type { Sections } from "./sections.js";
import type { CutoverSettings, TrafficSettings } from "./types.js";

/** PgDog's (general.rs of pgdog-config), but that nothing is waited for before the pause. */
const STOP_THRESHOLD = 1_000_000;
const TIMEOUT = 30_000;
/** Applications wait meanwhile: with all that comes after it, still less than a second. */
const DRAIN_TIMEOUT = 500;
const PGBOUNCER_PORT = 6432;
const COMMAND_TIMEOUT = 10_000;

type Key = keyof CutoverRow;
const KEYS: Readonly<Record<"pgbouncer" | "command", readonly Key[]>> = {
  pgbouncer: ["pgbouncer_host", "pgbouncer_port", "pgbouncer_user", "pgbouncer_password", "pgbouncer_file", "pgbouncer_databases", "pgbouncer_targets"],
  command: ["pause_command", "switch_command", "resume_command", "undo_command", "in_charge_command", "command_timeout"],
};
const REQUIRED: Readonly<Record<"pgbouncer" | "command", readonly Key[]>> = {
  pgbouncer: ["pgbouncer_user", "pgbouncer_file", "pgbouncer_databases"],
  command: ["pause_command", "switch_command", "resume_command"],
};

/**
 * The keys `cutover_…` of `[general]`, and `[cutover]`.
 * @param names of source and destination, where they are known
 */
export function cutoverOf(sections: Pick<Sections, "general" | "cutover" | "cutoverAt">, names: readonly (string | undefined)[], problems: Problem[], notes: string[]): CutoverSettings {
  const { general } = sections;
  if ((general.cutover_replication_lag_threshold ?? 0) > 0) notes.push("cutover_replication_lag_threshold is not used: a cutover always waits until every shard has all of the source's writes");
  return {
    traffic: trafficOf(sections, names, problems),
    stopThreshold: general.cutover_traffic_stop_threshold ?? STOP_THRESHOLD,
    timeout: general.cutover_timeout ?? TIMEOUT,
    timeoutAction: general.cutover_timeout_action ?? "abort",
    lastTransactionDelay: general.cutover_last_transaction_delay ?? 0,
    saveConfig: general.cutover_save_config ?? false,
    drainTimeout: general.cutover_drain_timeout ?? DRAIN_TIMEOUT,
    drainAction: general.cutover_drain_action ?? "abort",
    verify: general.cutover_verify ?? true,
    reverse: sections.cutover.reverse ?? true,
  };
}

function trafficOf({ cutover, cutoverAt }: Pick<Sections, "cutover" | "cutoverAt">, names: readonly (string | undefined)[], problems: Problem[]): TrafficSettings {
  const kind = cutover.traffic ?? "gateway";
  const report = (key: Key, code: Problem["code"], message: string, expected: string): void => {
    problems.push(problemAt(cutoverAt(key) ?? { file: "", line: 0, column: 0 }, code, message, expected));
  };
  for (const other of ["pgbouncer", "command"] as const) {
    if (other === kind) for (const key of REQUIRED[other]) if (cutover[key] === undefined) report("traffic", "MISSING", `[cutover] lacks "${key}"`, `it, because traffic is "${kind}"`);
    if (other === kind) continue;
    for (const key of KEYS[other]) if (cutover[key] !== undefined) report(key, "CONFLICT", `"${key}" has no meaning where traffic is "${kind}"`, `traffic = "${other}", or none of it`);
  }
  if (kind === "command") {
    return {
      kind,
      commands: {
        pause: cutover.pause_command ?? "", switch: cutover.switch_command ?? "", resume: cutover.resume_command ?? "",
        undo: cutover.undo_command, inCharge: cutover.in_charge_command, timeout: cutover.command_timeout ?? COMMAND_TIMEOUT,
      },
    };
  }
  if (kind === "gateway") return { kind };
  const targets = cutover.pgbouncer_targets ?? {};
  for (const name of Object.keys(targets)) if (!names.includes(name)) report("pgbouncer_targets", "UNKNOWN_DATABASE", `"pgbouncer_targets" speaks of "${name}"`, `the names of the two sides: ${names.filter((known) => known !== undefined).join(", ")}`);
  if (cutover.pgbouncer_databases?.length === 0) report("pgbouncer_databases", "WRONG_VALUE", '"pgbouncer_databases" is empty', "at least one name");
  return {
    kind,
    pgbouncer: {
      host: cutover.pgbouncer_host ?? "127.0.0.1", port: cutover.pgbouncer_port ?? PGBOUNCER_PORT, user: cutover.pgbouncer_user ?? "", password: cutover.pgbouncer_password,
      file: cutover.pgbouncer_file ?? "", databases: cutover.pgbouncer_databases ?? [], targets,
    },
  };
}
