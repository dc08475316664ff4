import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import type { ServerAddress } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { offerTls, startTestCluster } from "../support/cluster.js";
import { addressOf, AUTHORITY, databaseOn, LOCALHOST_TLS, startGateway } from "../support/gateway.js";
import { keyOf, requestCancel, untilRow } from "../support/raw-client.js";
import { reach, type Reached } from "../support/reached-by-tls.js";

/* TLS to the servers, by sslmode: of our own sessions, and of those that clients of the gateway have. */

const MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});

function address(sslmode: ServerAddress["sslmode"], host = cluster.host): ServerAddress {
  return { ...addressOf(cluster, "postgres"), sslmode, host };
}

async function reached(host?: string): Promise<Record<string, Reached>> {
  return Object.fromEntries(await Promise.all(MODES.map(async (sslmode) => [sslmode, await reach(address(sslmode, host))] as const)));
}

/** The same for both. */
function both(outcome: unknown): Reached {
  return { own: outcome, clients: outcome } as Reached;
}

const refused = (reason: RegExp): Reached => both(expect.stringMatching(reason));

test("a server without TLS is reached where it is not asked for", async () => {
  const without = refused(/does not support (?:SSL|TLS)/);
  expect(await reached()).toEqual({ disable: both("plain"), prefer: both("plain"), require: without, "verify-ca": without, "verify-full": without });
  const gateway = await startGateway([databaseOn("require", address("require")), databaseOn("prefer", address("prefer"))]);
  await expect(gateway.connect({ database: "require" })).rejects.toMatchObject({ code: "08001" });
  await (await gateway.connect({ database: "prefer" })).end();
});

test("one that nobody trusted has vouched for is reached where that is not asked for", async () => {
  await offerTls(cluster, LOCALHOST_TLS);
  const untrusted = refused(/unable to verify the first certificate/);
  expect(await reached()).toEqual({ disable: both("plain"), prefer: both("encrypted"), require: both("encrypted"), "verify-ca": untrusted, "verify-full": untrusted });
});

test("with an authority that is trusted, verify-full also asks for the host's name", async () => {
  const addresses = [address("verify-ca"), address("verify-ca", "localhost"), address("verify-full"), address("verify-full", "localhost")];
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", path.join(import.meta.dirname, "reached-process.ts")], { env: { ...process.env, NODE_EXTRA_CA_CERTS: AUTHORITY, ADDRESSES: JSON.stringify(addresses) } });
  expect(JSON.parse(stdout)).toEqual({
    // The certificate is for the name, not for the address.
    reached: [both("encrypted"), both("encrypted"), refused(/IP: 127\.0\.0\.1 is not in the cert's list/), both("encrypted")],
    program: expect.stringContaining("bundled") as string,
  });
});

test("a client's cancel request takes the same way as its session", async () => {
  const modes = ["disable", "require"] as const;
  const gateway = await startGateway(modes.map((sslmode) => databaseOn(sslmode, address(sslmode))));
  const admin = await cluster.connect();
  for (const mode of modes) {
    const client = await gateway.connect({ database: mode });
    expect((await client.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).rows).toEqual([{ ssl: mode === "require" }]);
    const sleeping = client.query("SELECT pg_sleep(1000)").catch((error: unknown) => error);
    await untilRow(admin, "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()");
    await requestCancel(gateway.port, keyOf(client));
    expect(await sleeping).toMatchObject({ code: "57014" });
    await client.end();
  }
});
