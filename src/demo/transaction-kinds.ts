import { addProduct, addTag, changeSetting, changeTaxRate, dropSetting, renameSetting, repriceProducts } from "./catalogue-transactions.js";
import { closeSession, deleteDevice, handOverSession, openSession, registerDevice, replaceDevice } from "./device-transactions.js";
import {
  deleteDocument,
  handOverAndRenumberDocument,
  handOverDocument,
  insertDocument,
  renumberDocument,
  retitleDocument,
  rewriteDocument,
} from "./document-transactions.js";
import { changeOrder, deleteOrder, handOverOrder, placeOrder, placeOrderAfterSecondThoughts, renumberOrder, shipOrders } from "./order-transactions.js";
import { deleteTenant, recordTenantEvents, registerTenant, renameTenant } from "./tenant-transactions.js";
import type { Transaction } from "./transaction.js";
import { addToCart, deleteUser, handOverCartItem, registerUser, renumberUser, retagUser, tagUser, untagUser, updateUser } from "./user-transactions.js";

interface KindOfTransaction {
  /** How often it is chosen, beside the others' weights. */
  readonly weight: number;
  readonly work: (tx: Transaction) => Promise<void>;
  /** COMMIT where absent. */
  readonly end?: "ROLLBACK";
  /** Works on one database only: a sharded one refuses some of its statements, as those that change a sharding key. */
  readonly unsharded?: true;
}

/** Everything the writers do. */
export const transactionKinds = {
  placeOrder: { weight: 20, work: placeOrder },
  placeOrderAfterSecondThoughts: { weight: 4, work: placeOrderAfterSecondThoughts },
  abandonOrder: { weight: 4, work: placeOrder, end: "ROLLBACK" },
  shipOrders: { weight: 6, work: shipOrders, unsharded: true },
  changeOrder: { weight: 8, work: changeOrder },
  deleteOrder: { weight: 6, work: deleteOrder },
  renumberOrder: { weight: 3, work: renumberOrder },
  handOverOrder: { weight: 4, work: handOverOrder, unsharded: true },
  registerUser: { weight: 8, work: registerUser },
  updateUser: { weight: 12, work: updateUser },
  renumberUser: { weight: 2, work: renumberUser, unsharded: true },
  deleteUser: { weight: 2, work: deleteUser },
  deleteUserOrNot: { weight: 1, work: deleteUser, end: "ROLLBACK" },
  tagUser: { weight: 4, work: tagUser },
  retagUser: { weight: 4, work: retagUser, unsharded: true },
  untagUser: { weight: 3, work: untagUser, unsharded: true },
  addToCart: { weight: 10, work: addToCart },
  handOverCartItem: { weight: 3, work: handOverCartItem, unsharded: true },
  insertDocument: { weight: 3, work: insertDocument },
  retitleDocument: { weight: 6, work: retitleDocument },
  rewriteDocument: { weight: 2, work: rewriteDocument },
  deleteDocument: { weight: 2, work: deleteDocument },
  renumberDocument: { weight: 2, work: renumberDocument, unsharded: true },
  handOverDocument: { weight: 4, work: handOverDocument, unsharded: true },
  handOverAndRenumberDocument: { weight: 2, work: handOverAndRenumberDocument, unsharded: true },
  registerDevice: { weight: 5, work: registerDevice },
  openSession: { weight: 8, work: openSession },
  closeSession: { weight: 5, work: closeSession },
  handOverSession: { weight: 4, work: handOverSession, unsharded: true },
  replaceDevice: { weight: 3, work: replaceDevice, unsharded: true },
  deleteDevice: { weight: 2, work: deleteDevice },
  registerTenant: { weight: 3, work: registerTenant },
  recordTenantEvents: { weight: 8, work: recordTenantEvents },
  renameTenant: { weight: 2, work: renameTenant, unsharded: true },
  deleteTenant: { weight: 1, work: deleteTenant },
  addProduct: { weight: 2, work: addProduct },
  repriceProducts: { weight: 4, work: repriceProducts, unsharded: true },
  changeSetting: { weight: 3, work: changeSetting },
  renameSetting: { weight: 2, work: renameSetting, unsharded: true },
  dropSetting: { weight: 2, work: dropSetting },
  addTag: { weight: 1, work: addTag },
  changeTaxRate: { weight: 1, work: changeTaxRate },
} satisfies Record<string, KindOfTransaction>;

export type TransactionKind = keyof typeof transactionKinds;

/** The kinds, each as many times as its weight: a fair pick from this list is a weighted one. */
export function weightedKinds(only: "all" | "sharded"): readonly TransactionKind[] {
  const kinds = Object.entries<KindOfTransaction>(transactionKinds) as [TransactionKind, KindOfTransaction][];
  return kinds.flatMap(([kind, { weight, unsharded }]) => (only === "sharded" && unsharded === true ? [] : Array.from({ length: weight }, () => kind)));
}

/** How a transaction of that kind ends when all goes well. */
export function endOf(kind: TransactionKind): "COMMIT" | "ROLLBACK" {
  const described: KindOfTransaction = transactionKinds[kind];
  return described.end ?? "COMMIT";
}
