/* What the project's own tests call a source in memory. */
export { changeBatches, deleteMessage, framesOf, freshStream, insertMessage, keepalive, updateMessage, xlogData } from "../../src/testing/change-batches.js";
export { addRow, keyOf, removeRow, type RowTable, type TestRow as Row } from "../../src/testing/test-rows.js";
export { isKeyless, relationOf, type TestTable as TableSpec } from "../../src/testing/test-table.js";
