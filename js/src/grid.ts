// The browser end of partysync_widget/widget.py: draws the live table that the channel named by `table` holds.

import type { AnyModel, Host } from "@anywidget/types";
import type { ChannelExports } from "./channel";
import type { Layout } from "./grid/columns";
import { drawPreview, drawSaved, type Preview } from "./grid/preview";
import { shieldKeys } from "./grid/shield";
import { GridView } from "./grid/view";

interface GridModel {
  readonly table: string | null;
  readonly arrangement: Layout;
  readonly preview: Preview | null;
}

interface GridProps {
  readonly model: AnyModel<GridModel>;
  readonly el: HTMLElement;
  readonly host: Host;
  readonly signal: AbortSignal;
}

async function render({ model, el, host, signal }: GridProps): Promise<void> {
  let shown = new AbortController();
  let kept = JSON.stringify(model.get("arrangement"));
  const show = async () => {
    shown.abort();
    const showing = (shown = new AbortController());
    const reference = model.get("table");
    if (!reference) return;
    if (!host?.getWidget) {
      el.textContent = "This front end is too old for the grid: it gives a widget no other widgets (anywidget 0.11 does).";
      return;
    }
    if (model.widget_manager && !(await hasKernel(model, reference))) return drawSaved(model.get("preview"), el, showing.signal);
    const { table } = (await host.getWidget<ChannelExports>(reference)).exports;
    if (showing.signal.aborted || signal.aborted) return;
    drawPreview(table, model.get("preview"), el, showing.signal);
    new GridView(table, el, showing.signal, model.get("arrangement") ?? {}, (layout) => {
      kept = JSON.stringify(layout);
      model.set("arrangement", layout);
      model.save_changes();
    });
  };
  model.on("change:table", show);
  model.on("change:arrangement", () => {
    if (JSON.stringify(model.get("arrangement")) !== kept) void show(); // arranged in Python, or in another view
  });
  signal.addEventListener("abort", () => shown.abort());
  shieldKeys(el, signal);
  await show();
}

/** A notebook that was saved with its widgets shows them without the kernel that made them; only Jupyter says so. */
async function hasKernel(model: AnyModel<GridModel>, reference: string): Promise<boolean> {
  const found: unknown = await model.widget_manager.get_model(reference.replace("anywidget:", ""));
  return (found as { comm_live?: boolean } | undefined)?.comm_live !== false;
}

export default { render };
