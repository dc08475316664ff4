import { expect, it } from "vitest";
import { showConfig } from "../../src/admin/show-config.js";

it("SHOW CONFIG masks secrets wherever they occur", () => {
  const { columns, rows } = showConfig({
    general: { host: "0.0.0.0", port: 6432, tls_private_key: "/etc/key.pem", two_phase_commit: false },
    admin: { name: "admin", user: "admin", password: "hunter2" },
    databases: [{ name: "prod", host: "10.0.0.1", password: "s3cret$", server_password: "more" }],
    users: [{ name: "app", passwords: ["one-1", "two-2"], all_databases: true }],
    cutover: { pause_command: "PGPASSWORD='s3cret$' psql 'password=other' && curl http://me:topsecret@host/x", pgbouncer: { password: "hunter2", file: "/etc/hunter2.ini" } },
  });
  expect(columns.map(({ name }) => name)).toEqual(["name", "value"]);
  const text = JSON.stringify(rows);
  for (const secret of ["hunter2", "s3cret", "one-1", "two-2", "topsecret", "other"]) expect(text).not.toContain(secret);
  expect(rows).toContainEqual(["admin.password", "********"]);
  expect(rows).toContainEqual(["databases[0].server_password", "********"]);
  expect(rows).toContainEqual(["users[0].passwords[1]", "********"]);
  expect(rows).toContainEqual(["general.tls_private_key", "/etc/key.pem"]);
  expect(rows).toContainEqual(["general.two_phase_commit", "false"]);
  expect(rows).toContainEqual(["databases[0].host", "10.0.0.1"]);
});
