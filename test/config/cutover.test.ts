import { describe, expect, it } from "vitest";
import { DATABASES, linesOf, loadFiles, loadText, PIPELINE_HEAD } from "./files.js";

const VALID = PIPELINE_HEAD + DATABASES;
/** The line at which text appended to VALID begins. */
const NEXT = VALID.split("\n").length;

describe("[cutover] and the keys of [general]", () => {
  it("say how a cutover is done", () => {
    const { cutover } = loadText(`${VALID}[general]
cutover_traffic_stop_threshold = 0
cutover_timeout = 5000
cutover_timeout_action = "cutover"
cutover_last_transaction_delay = 250
cutover_save_config = true
cutover_drain_timeout = 100
cutover_drain_action = "cancel"
cutover_verify = false
[cutover]
reverse = false
`);
    expect(cutover).toEqual({
      traffic: { kind: "gateway" }, stopThreshold: 0, timeout: 5000, timeoutAction: "cutover", lastTransactionDelay: 250, saveConfig: true,
      drainTimeout: 100, drainAction: "cancel", verify: false, reverse: false,
    });
  });

  it("name commands", () => {
    expect(loadText(`${VALID}[cutover]\ntraffic = "command"\npause_command = "a"\nswitch_command = "b"\nresume_command = "c"\ncommand_timeout = 500\nin_charge_command = "\${WHO}"\n`, { WHO: "d" }).cutover.traffic).toEqual({
      kind: "command", commands: { pause: "a", switch: "b", resume: "c", undo: undefined, inCharge: "d", timeout: 500 },
    });
  });

  it("name a PgBouncer", () => {
    const { traffic } = loadText(`${VALID}[cutover]\ntraffic = "pgbouncer"\npgbouncer_user = "admin"\npgbouncer_password = "\${SECRET}"\npgbouncer_file = "/etc/pgbouncer/pgbouncer.ini"\npgbouncer_databases = ["app"]\npgbouncer_targets = { "prod_2x" = "host=router" }\n`, { SECRET: "s3" }).cutover;
    expect(traffic).toEqual({
      kind: "pgbouncer",
      pgbouncer: { host: "127.0.0.1", port: 6432, user: "admin", password: "s3", file: "/etc/pgbouncer/pgbouncer.ini", databases: ["app"], targets: { prod_2x: "host=router" } },
    });
  });

  it("take what PgDog's files have, and say what means nothing here", () => {
    const files = { "pgdog.toml": `[general]\ncutover_replication_lag_threshold = 5\ncutover_traffic_stop_threshold = 7\n${DATABASES}`, "users.toml": "" };
    const { cutover, notes } = loadFiles(files);
    expect(cutover.stopThreshold).toBe(7);
    expect(notes).toEqual([expect.stringContaining("cutover_replication_lag_threshold is not used")]);
  });

  it.each([
    ["what is missing", '[cutover]\ntraffic = "command"\npause_command = "a"\n', [`p.toml:${NEXT + 1}:11: [cutover] lacks "switch_command", expected it, because traffic is "command"`, `p.toml:${NEXT + 1}:11: [cutover] lacks "resume_command", expected it, because traffic is "command"`]],
    ["what belongs to another kind", '[cutover]\nswitch_command = "b"\n', [`p.toml:${NEXT + 1}:18: "switch_command" has no meaning where traffic is "gateway", expected traffic = "command", or none of it`]],
    ["a kind that is none", '[cutover]\ntraffic = "haproxy"\n', [`p.toml:${NEXT + 1}:11: "traffic" is "haproxy", expected "gateway", "pgbouncer", "command"`]],
    ["a target that is no side", '[cutover]\ntraffic = "pgbouncer"\npgbouncer_user = "a"\npgbouncer_file = "f"\npgbouncer_databases = ["app"]\npgbouncer_targets = { other = "host=x" }\n', [`p.toml:${NEXT + 5}:21: "pgbouncer_targets" speaks of "other", expected the names of the two sides: prod, prod_2x`]],
    ["a password of a wrong type, without showing it", "[cutover]\npgbouncer_password = 12345\n", [`p.toml:${NEXT + 1}:22: "pgbouncer_password" is an integer, expected a string`]],
    ["a stage behind the cutover", '[[stages]]\ntype = "cutover"\n[[stages]]\ntype = "verify"\n', [`p.toml:${NEXT + 2}:1: a stage comes after the cutover, expected the stage of type "cutover" as the last one: the source is left then`]],
  ])("tell of %s", (_, text, lines) => {
    expect(linesOf(() => loadText(VALID + text))).toEqual(lines);
  });
});
