import type { SchemaPlan } from "./schema-plan.js";

/**
 * The plan with its foreign keys added `NOT VALID`: while the tables on a shard show different moments of the source
 * they need not hold yet. Those of partitioned tables stay as they are, for before PostgreSQL 18 they cannot be
 * (pg_dump leaves out ONLY for them).
 */
export function withUnvalidatedForeignKeys(plan: SchemaPlan): SchemaPlan {
  return {
    ...plan,
    statements: plan.statements.map((statement) =>
      statement.kind === "foreign key" && statement.phase === "post" && /^ALTER TABLE ONLY\s/.test(statement.sql) && !/\sNOT VALID$/.test(statement.sql)
        ? { ...statement, sql: `${statement.sql} NOT VALID`, reason: `${statement.reason}; validated once the shard has caught up` }
        : statement,
    ),
  };
}
