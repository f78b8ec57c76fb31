// @tanstack/virtual-core, driven as its own adapters drive it: setOptions, _willUpdate, getVirtualItems. Its keys stay
// the indices, its fastest way: rows have one height, and the grid keys its elements itself.

import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { ROW } from "../../src/grid/window";
import { KeyedGrid, offer } from "./grid";

offer(new KeyedGrid((scroller, moved) => {
  const virtualizer = new Virtualizer<HTMLElement, HTMLElement>({
    count: 0,
    getScrollElement: () => scroller,
    estimateSize: () => ROW,
    overscan: 4,
    scrollMargin: ROW, // the head, which scrolls with the rows until it sticks
    scrollPaddingStart: ROW,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: moved,
  });
  return {
    place(count) {
      if (count !== virtualizer.options.count) virtualizer.setOptions({ ...virtualizer.options, count });
      virtualizer._willUpdate();
      const items = virtualizer.getVirtualItems();
      const first = items[0]?.index ?? 0;
      const edge = ROW + scroller.scrollTop;
      return {
        height: virtualizer.getTotalSize(),
        first,
        end: first + items.length,
        offset: (index) => items[index - first]!.start - edge,
      };
    },
    reveal: (index) => virtualizer.scrollToIndex(index),
  };
}));
