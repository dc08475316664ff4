import { keepDumpWorkers } from "../../src/pg-dump/dump-workers.js";

// A setup file of vitest. A process of the tests dumps a database every few seconds.
keepDumpWorkers(10_000);
