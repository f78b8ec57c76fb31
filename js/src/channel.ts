// The browser end of partysync_widget/channel.py: headless, one per table and kernel. Its export `table` is the live
// table that every widget with a SyncedTable trait gets from `host.getWidget(model.get("..."))`.

import type { AnyModel } from "@anywidget/types";
import { Feed } from "./feed";
import { mint } from "./mint";
import { TableStore, type LiveTable } from "./table";
import type { Down, Up } from "./wire";

export interface ChannelExports {
  readonly table: LiveTable;
}

/** Awaits nothing: anywidget gives up on a widget whose `initialize` takes two seconds, and says so to nobody. */
function initialize({ model, signal }: { model: AnyModel; signal: AbortSignal }): ChannelExports {
  const page = mint(8);
  const say = (message: Up) => model.send(message);
  const table = new TableStore(page, (edit) => {
    say({ k: "edit", ...edit });
    feed.expect();
  });
  const feed = new Feed(table, page, say);
  const receive = (message: Down, buffers: DataView[]) => feed.receive(message, buffers);

  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => {
    model.off("msg:custom", receive);
    feed.close();
  });
  feed.open();
  return { table };
}

export default { initialize };
