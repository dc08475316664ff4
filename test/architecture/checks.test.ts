import { expect, test } from "vitest";
import { complaints } from "../support/complaints.js";
import { projectTypeErrors } from "../support/type-errors.js";

/* The types and the lint, beside the other tests instead of before them. */

test("the types of everything fit", async () => {
  expect(await projectTypeErrors("tsconfig.json")).toBe("");
}, 600_000);

test("the linter is content", async () => {
  expect(await complaints("oxlint/bin/oxlint", "--deny-warnings", "--threads=1")).toBe("");
}, 600_000);
