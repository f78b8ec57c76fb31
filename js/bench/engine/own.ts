// Our own arithmetic, as the product uses it.

import { ROW, Window } from "../../src/grid/window";
import { KeyedGrid, offer } from "./grid";

offer(new KeyedGrid((scroller) => {
  let rows = 0;
  const now = () => new Window(rows, scroller.clientHeight - ROW, scroller.scrollTop);
  return {
    place(count) {
      rows = count;
      return now();
    },
    reveal(index) {
      scroller.scrollTop = now().reveal(index);
    },
  };
}));
