import { describe } from "vitest";
import { isTestedOn, servers, type TestServer } from "./servers.js";

/** Tests of what should not differ between versions: on PostgreSQL 18, and on the others if asked (see `isTestedOn`). */
export function describeOnServers(title: string, body: (server: TestServer) => void): void {
  for (const server of servers) {
    describe.runIf(isTestedOn(server.version))(`${title}, on PostgreSQL ${server.version}`, () => {
      body(server);
    });
  }
}
