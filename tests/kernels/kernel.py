"""Real ipykernels, and what arrives from them with the time at which it did: what Jupyter Server would see."""

import json
import queue
import threading
import time

from jupyter_client import KernelManager

SECONDS = 30.0  # for a cell; those here take far less


class Kernel:
    """One notebook's kernel. ``messages`` are all it ever sent to its browsers: (when, message), as they arrive."""

    def __init__(self, environment):
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(env=environment)
        self.client = self._manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.messages = []
        self._news = threading.Condition()
        self._ended = False
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def _hear(self):
        while not self._ended:
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                continue
            with self._news:
                self.messages.append((time.monotonic(), message))
                self._news.notify_all()

    def until(self, there, seconds=SECONDS):
        """Wait for a message that makes this true; what it then gives."""
        with self._news:
            assert self._news.wait_for(there, seconds), f"did not happen within {seconds} s"
            return there()

    def begin(self, code):
        """Run a cell; whoever wants its end waits for it."""
        return self.client.execute(code)

    def of(self, cell, kind=None):
        """What was sent for a cell."""
        return [
            message
            for _, message in list(self.messages)
            if message["parent_header"].get("msg_id") == cell and kind in (None, message["msg_type"])
        ]

    def end(self, cell, seconds=SECONDS):
        """Wait for a cell's end: the text it printed. An error in it is ours."""
        self.until(lambda: [m for m in self.of(cell, "status") if m["content"]["execution_state"] == "idle"], seconds)
        for message in self.of(cell, "error"):
            raise AssertionError("\n".join(message["content"]["traceback"]))
        return "".join(m["content"]["text"] for m in self.of(cell, "stream"))

    def run(self, code):
        return self.end(self.begin(code))

    def ask(self, expression):
        """The value of an expression there."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def interrupt(self):
        self._manager.interrupt_kernel()

    def kill(self):
        """As "Restart Kernel" does when it does not answer; another one is what comes after."""
        self._manager.shutdown_kernel(now=True)
        self._ended = True
        self._hearing.join(SECONDS)
        self.client.stop_channels()

    # --- as a browser -------------------------------------------------------------------------------------------------

    def say(self, comm, content):
        """A custom message of a widget's browser side."""
        data = {"comm_id": comm, "data": {"method": "custom", "content": content}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", data))

    def heard(self, comm):
        """(when, content, buffer as JSON) of each custom message on a comm so far."""
        return [
            (when, message["content"]["data"]["content"], json.loads(bytes(message["buffers"][0])))
            for when, message in list(self.messages)
            if message["msg_type"] == "comm_msg"
            and message["content"]["comm_id"] == comm
            and message["content"]["data"]["method"] == "custom"
            and message["buffers"]
        ]

    def close(self):
        self._ended = True
        begun = time.monotonic()
        self._manager.shutdown_kernel()
        self.client.stop_channels()
        return time.monotonic() - begun
