import { afterAll } from "vitest";
import { runEnds } from "./at-end.js";

// A setup file of vitest: it is run for each test file, and this after all hooks of the file's own.
afterAll(runEnds);
