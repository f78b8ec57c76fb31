// The first rows as they were when the widget was made, in sight until the kernel has spoken: at once in a notebook that
// opens slowly, and for good in one that has no kernel. Where they stand as an output of their own, they go.

import type { LiveTable } from "../table";
import { make } from "./element";

export interface Preview {
  readonly key: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly more: number;
}

export function drawPreview(table: LiveTable, preview: Preview | null, el: HTMLElement, signal: AbortSignal): void {
  if (!preview) return;
  for (const output of document.querySelectorAll<HTMLElement>(".partysync-preview")) {
    if (output.dataset["key"] === preview.key) output.hidden = true;
  }
  if (table.ready) return;
  const head = make("tr", "", {}, ...preview.columns.map((name) => make("th", "", { scope: "col" }, name)));
  const rows = preview.rows.map((row) => make("tr", "", {}, ...row.map((text) => make("td", "", {}, text))));
  const drawn = make("table", "ps-preview", {}, make("thead", "", {}, head), make("tbody", "", {}, ...rows));
  if (preview.more > 0) drawn.append(make("caption", "", {}, `… and ${preview.more.toLocaleString("en")} more rows`));
  const unsubscribe = table.subscribe(() => {
    if (table.ready) drawn.remove();
  });
  signal.addEventListener("abort", () => {
    unsubscribe();
    drawn.remove();
  });
  el.append(drawn);
}
