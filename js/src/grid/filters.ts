// What a person types above a column, as a condition: `yeast` (contains), `=3`, `!=3`, `>3`, `<=2026-11`, `=` (empty),
// `!=` (not empty).

import type { Filter, FilterOp } from "../query";
import type { Column } from "../values";

export const HINT = "Contains this text. Also =3  !=3  >3  <=3, = for empty, != for not empty.";

const COMPARISONS: [sign: string, op: FilterOp][] = [
  ["!=", "not"], ["<=", "le"], [">=", "ge"], ["<>", "not"], ["=", "is"], ["<", "lt"], [">", "gt"],
];

type Read = Pick<Filter, "op" | "value"> | { readonly op: "unread"; readonly why: string };

/** Null for a text that asks for nothing yet. */
export function readFilter(column: Column, text: string): Read | null {
  const typed = text.trim();
  if (typed === "") return null;
  const [sign, op] = COMPARISONS.find(([sign]) => typed.startsWith(sign)) ?? ["", plain(column)];
  const rest = typed.slice(sign.length).trim();
  if (rest === "") return op === "is" ? { op: "empty", value: null } : op === "not" ? { op: "filled", value: null } : null;
  switch (column.type) {
    case "integer":
      if (op === "has") break;
      return /^[+-]?\d+$/.test(rest) ? { op, value: rest.replace("+", "") } : unread(rest, "a whole number");
    case "real":
      if (op === "has") break;
      return !Number.isFinite(Number(rest)) ? unread(rest, "a number") : { op, value: Number(rest) };
    case "boolean":
      return /^(true|yes|1)$/i.test(rest) ? { op, value: true } : /^(false|no|0)$/i.test(rest) ? { op, value: false } : unread(rest, "true or false");
    case "date":
    case "datetime":
      return { op, value: rest.replace(" ", "T") };
  }
  return { op, value: rest };
}

function plain(column: Column): FilterOp {
  return column.type === "boolean" || column.type === "choice" ? "is" : "has";
}

function unread(text: string, wanted: string): Read {
  return { op: "unread", why: `${text} is not ${wanted}.` };
}
