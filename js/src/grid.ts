// The browser end of partysync_widget/widget.py: draws the live table that the channel named by `table` holds.

import type { AnyModel, Host } from "@anywidget/types";
import type { ChannelExports } from "./channel";
import { GridView } from "./grid/view";

interface GridProps {
  readonly model: AnyModel<{ table: string | null }>;
  readonly el: HTMLElement;
  readonly host: Host;
  readonly signal: AbortSignal;
}

async function render({ model, el, host, signal }: GridProps): Promise<void> {
  let shown = new AbortController();
  const show = async () => {
    shown.abort();
    const showing = (shown = new AbortController());
    const reference = model.get("table");
    if (!reference) return;
    const channel = await host.getWidget<ChannelExports>(reference);
    if (showing.signal.aborted || signal.aborted) return;
    new GridView(channel.exports.table, el, showing.signal);
  };
  model.on("change:table", show);
  signal.addEventListener("abort", () => shown.abort());
  await show();
}

export default { render };
