import { expect, test } from "vitest";
import { masked } from "../src/masked.js";

test.each([
  ["CREATE USER MAPPING FOR u SERVER s OPTIONS (password 'it''s s3cret', \"user\" 'me')", "CREATE USER MAPPING FOR u SERVER s OPTIONS (password ********, \"user\" 'me')"],
  ["ALTER ROLE app ENCRYPTED PASSWORD 's3cret' VALID UNTIL 'infinity'", "ALTER ROLE app ENCRYPTED PASSWORD ******** VALID UNTIL 'infinity'"],
  ["BEGIN RETURN dblink('host=other password=s3cret', 'SELECT 1'); END", "BEGIN RETURN dblink('host=other password=********', 'SELECT 1'); END"],
  ["psql postgres://app:s3cret@localhost/shop", "psql postgres://app:********@localhost/shop"],
  ["SELECT password FROM users WHERE password_changed > now()", "SELECT password FROM users WHERE password_changed > now()"],
])("%s", (text, shown) => {
  expect(masked(text)).toBe(shown);
});
