import { isDeepStrictEqual } from "node:util";
import type { Database } from "../config/types.js";
import { displayAddress } from "../postgres/connection.js";
import type { CutOverPair, Routing } from "./routing-file.js";

/** A configured database under the name at which applications reach it now. */
export interface ServedDatabase {
  readonly name: string;
  /** As journals and slots know it. */
  readonly permanentName: string;
  /** As the files name it. */
  readonly configuredName: string;
  readonly database: Database;
}

/** Who answers to which name: the routing file's word counts, the files' where it is silent. */
export function servedDatabases(databases: readonly Database[], routing: Routing): readonly ServedDatabase[] {
  return databases.map((database) => {
    const servers = serversOf(database);
    const routed = routing.databases.find((candidate) => isDeepStrictEqual(candidate.servers, servers));
    return { name: routed?.servedName ?? database.name, permanentName: routed?.permanentName ?? database.name, configuredName: database.name, database };
  });
}

/** The routing with two databases' names exchanged; `from` is in charge. Of others it says what it said: their names are the files'. */
export function swappedRouting(routing: Routing, from: ServedDatabase, to: ServedDatabase): Routing {
  const swapped = [
    { servers: serversOf(from.database), permanentName: from.permanentName, servedName: to.name },
    { servers: serversOf(to.database), permanentName: to.permanentName, servedName: from.name },
  ] as const;
  const others = routing.databases.filter(({ servers }) => !swapped.some((each) => isDeepStrictEqual(each.servers, servers)));
  const pair = pairOf(routing, from, to);
  const pairs = pair === undefined ? [...routing.pairs, { servers: [swapped[0].servers, swapped[1].servers] as const, applicationName: from.name }] : routing.pairs;
  return { databases: [...others, ...swapped], pairs };
}

/** Which of two databases applications reach; before the first cutover that is `from`. */
export function inChargeOf(routing: Routing, from: ServedDatabase, to: ServedDatabase): "source" | "destination" {
  const pair = pairOf(routing, from, to);
  return pair !== undefined && to.name === pair.applicationName ? "destination" : "source";
}

function pairOf(routing: Routing, one: ServedDatabase, other: ServedDatabase): CutOverPair | undefined {
  const servers = [serversOf(one.database), serversOf(other.database)];
  return routing.pairs.find((pair) => isDeepStrictEqual(pair.servers, servers) || isDeepStrictEqual([...pair.servers].reverse(), servers));
}

/** What a database is, whatever its name. */
export function serversOf(database: Database): string[] {
  return database.shards.map(({ primary }) => displayAddress(primary));
}
