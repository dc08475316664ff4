import { execFile } from "node:child_process";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { embeddedBinaries } from "../../src/embedded/binaries.js";
import { type Cluster, startCluster } from "../../src/embedded/cluster.js";
import { atEnd } from "./at-end.js";

const run = promisify(execFile);

/** A streaming standby of a test's server, from a base backup taken now; gone after the file's tests. */
export async function startStandby(primary: Cluster): Promise<Cluster> {
  const { user } = embeddedBinaries();
  const template = mkdtempSync(path.join(tmpdir(), "pg-reshard-"));
  if (user !== undefined) chownSync(template, user.uid, user.gid);
  const data = path.join(template, "data");
  const client = await primary.connect();
  try {
    // The low-level backup of the manual, 25.3.4.
    await client.query("SELECT pg_backup_start('standby', fast => true)");
    await run("cp", ["-a", path.join(primary.directory, "data"), template]);
    const { rows } = await client.query<{ labelfile: string }>("SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)");
    rmSync(path.join(data, "postmaster.pid"), { force: true });
    await run("rm", ["-rf", path.join(data, "pg_replslot")]);
    for (const [file, text] of [["backup_label", rows[0]!.labelfile], ["standby.signal", ""]] as const) {
      writeFileSync(path.join(data, file), text);
      if (user !== undefined) chownSync(path.join(data, file), user.uid, user.gid);
    }
    await run("mkdir", ["-m", "700", path.join(data, "pg_replslot")], { ...user });
    const { host, port, user: login, password } = primary;
    const standby = await startCluster({ template, settings: { primary_conninfo: `host=${host} port=${port} user=${login} password=${password}` } });
    atEnd(() => standby.stop());
    return standby;
  } finally {
    await client.end();
    rmSync(template, { recursive: true, force: true });
  }
}
