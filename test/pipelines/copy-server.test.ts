import { describe, expect, test } from "vitest";
import type { ServerAddress, Shard } from "../../src/config/types.js";
import { copyAddresses, type CopyServer, CopyServers } from "../../src/pipelines/copy-server.js";

function address(host: string): ServerAddress {
  return { host, port: 5432, database: "shop", user: "u", password: undefined, sslmode: "disable" };
}

describe("copyAddresses", () => {
  const shard = (replicas: Shard["replicas"]): string[] => copyAddresses({ number: 0, primary: address("primary"), replicas }).map(({ host }) => host);

  test("are the standbys kept for it, else all standbys, else the primary", () => {
    const a = { ...address("a"), reshardingOnly: false };
    const b = { ...address("b"), reshardingOnly: true };
    expect(shard([])).toEqual(["primary"]);
    expect(shard([a])).toEqual(["a"]);
    expect(shard([a, b])).toEqual(["b"]);
  });
});

describe("CopyServers", () => {
  const server = (host: string, freeSlots: number): CopyServer => ({ address: address(host), isStandby: true, freeSlots });

  test("gives each piece to the server that is the least busy, and equals take turns", async () => {
    const servers = new CopyServers([server("a", 9), server("b", 9)], 2);
    expect(servers.capacity).toBe(4);
    const ends: (() => void)[] = [];
    const began: string[] = [];
    const begin = (): Promise<void> => servers.use(async ({ address: { host } }) => {
      began.push(host);
      await new Promise<void>((resolve) => ends.push(resolve));
    });
    const first = begin();
    const others = [begin(), begin()];
    expect(began).toEqual(["a", "b", "a"]);
    ends[0]!();
    await first;
    others.push(begin(), begin());
    expect(began.slice(3).sort()).toEqual(["a", "b"]);
    for (const end of ends) end();
    await Promise.all(others);
  });

  test("takes no more of a server than it has slots, and one where it has none", () => {
    expect(new CopyServers([server("a", 1), server("b", 9)], 4).capacity).toBe(5);
    expect(new CopyServers([server("a", 0)], 4).capacity).toBe(1);
  });
});
