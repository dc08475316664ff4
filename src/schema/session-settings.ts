import type pg from "pg";

/**
 * What the text of a dump relies on (pg_dump.c, setup_connection and its output's head): names are written in full,
 * function bodies may speak of tables that come later, and nothing may time out in a long build.
 */
export const sessionSettings: readonly string[] = [
  "SET check_function_bodies = off",
  "SET search_path = ''",
  "SET standard_conforming_strings = on",
  "SET xmloption = content",
  "SET row_security = off",
  "SET default_tablespace = ''",
  "SET client_min_messages = warning",
  "SET statement_timeout = 0",
  "SET lock_timeout = 0",
  "SET idle_in_transaction_session_timeout = 0",
];

export async function prepareSession(client: pg.Client): Promise<void> {
  await client.query(sessionSettings.join(";\n"));
}
