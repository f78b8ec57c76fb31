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
  const say = (message: Up) => {
    try {
      model.send(message);
    } catch {
      // The line to the kernel is closed; the feed notices that no answer comes, and what matters is said again.
    }
  };
  const table = new TableStore(page, (message) => {
    say(message);
    if (message.k === "edit" || message.k === "window") feed.expect();
  });
  const feed = new Feed(table, page, say);
  const receive = (message: Down, buffers: DataView[]) => feed.receive(message, buffers);

  // A page that is closed in the middle of a word does not leave it standing with the others.
  const leave = () => table.look(null);
  // ipywidgets says so when a kernel restarts or ends: what was shown stays, and says that it is not live any more.
  const gone = () => feed.gone();

  model.on("msg:custom", receive);
  model.on("comm_live_update", gone);
  addEventListener("pagehide", leave);
  signal.addEventListener("abort", () => {
    model.off("msg:custom", receive);
    model.off("comm_live_update", gone);
    removeEventListener("pagehide", leave);
    feed.close();
  });
  feed.open();
  return { table };
}

export default { initialize };
