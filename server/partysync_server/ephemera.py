"""
Ephemera: who is in the room and what they are about to change. Told, never stored (R11).

::

    draft ─▶ its session ─▶ untold of every other ─▶ sent: told ─▶ over: said so, or in the delta with its mutation

No ledger here: all of this may be called while a turn is being decided, which is when it matters most. A session that
takes nothing is owed at most one line per peer, and per draft that there is or that it was told of (R12). Who is there
may be told together with who comes next, as their owner says by ``peers_due``: everybody hears of everybody.
"""

from __future__ import annotations

from partysync_widget.core import messages as m
from partysync_widget.core.codec import encode

from .session import Session


class Ephemera:
    """Presence and drafts of the sessions in ``by_client``, which its owner keeps."""

    def __init__(self, by_client: dict[str, Session]) -> None:
        self._by_client = by_client
        self.stirred = False  # somebody is owed some of it
        self.peers_stirred = False  # of that, who is there
        self.peers_due = True  # and may be told now

    # --- in -------------------------------------------------------------------------------------------------------

    def peer(self, client: str, peer: m.Peer | None, *, new: bool = False) -> None:
        """``client`` has come (``new``), changed or (None) left. Nobody is told that one left who never heard of it."""
        self.stirred = self.peers_stirred = True
        for other in self._by_client.values():
            if other.client == client:
                continue
            if new and client not in other.peers:
                other.strange[client] = None
            if peer is None and client in other.strange:
                del other.strange[client]
                del other.peers[client]
            else:
                other.peers[client] = peer

    def present(self, session: Session, presence: m.Presence) -> None:
        """Take what a session shows of itself."""
        if len(encode(presence, "json")) > m.PRESENCE_BYTES:
            text = f"What you show of yourself is over {m.PRESENCE_BYTES} bytes."
            session.end(m.Error("too-large", text, "never"))
            return
        session.presence(presence.state)
        if session.client:
            self.peer(session.client, session.peer)

    def draft(self, session: Session, draft: m.Draft) -> None:
        """Take a draft. One whose mutation is decided is over: no delta will come that could end it."""
        if session.hello is not None:
            return  # of the conversation before this hello, whose drafts are over
        if len(encode(draft, "json")) > m.DRAFT_BYTES:
            session.end(m.Error("too-large", f"A draft is over {m.DRAFT_BYTES} bytes.", "never"))
        elif not draft.rows or 0 < draft.mid <= session.decided:
            self._over(session, draft.key)
        elif draft.key not in session.drafts and len(session.drafts) == m.MOST_DRAFTS:
            session.end(m.Error("busy", f"More than {m.MOST_DRAFTS} drafts are told and not over.", "backoff"))
        else:
            session.drafts[draft.key] = draft
            self.stirred = True
            for other in self._others(session):
                other.untold[session.client, draft.key] = draft

    def forget(self, session: Session) -> None:
        """The session is over, or greets again: so are its drafts."""
        for key in list(session.drafts):
            self._over(session, key)

    def _over(self, session: Session, key: str) -> None:
        if session.drafts.pop(key, None) is None:
            return
        self.stirred = True
        name = (session.client, key)
        for other in self._others(session):
            if name in other.told:
                other.untold[name] = m.Draft(key)
            else:
                other.untold.pop(name, None)

    def decided(self, client: str, mid: int) -> None:
        """Mutations of ``client`` up to ``mid`` are durable: the delta that says so ends their drafts.

        Whoever was told of one is told its last state before that delta, or holds it; nobody else hears of it.
        """
        session = self._by_client.get(client)
        if session is None:
            return
        session.decided = mid
        for key in [key for key, draft in session.drafts.items() if 0 < draft.mid <= mid]:
            del session.drafts[key]
            name = (client, key)
            for other in self._others(session):
                if name not in other.told:
                    other.untold.pop(name, None)
                elif name not in other.untold:
                    other.told.pop(name, None)

    def _others(self, session: Session) -> list[Session]:
        return [other for other in self._by_client.values() if other is not session]

    # --- out ------------------------------------------------------------------------------------------------------

    def welcomed(self, session: Session) -> dict[str, list[m.Draft]]:
        """All drafts there are, for the welcome of a session; what it was told before does not count any more."""
        session.peers, session.strange, session.untold = {}, {}, {}
        told = {}
        for other in self._others(session):
            seen = [session.sight.draft(draft) for draft in other.drafts.values()]
            if drafts := [draft for draft in seen if draft is not None]:
                told[other.client] = drafts
        session.told = {(client, draft.key): None for client, drafts in told.items() for draft in drafts}
        return told

    def welcomed_by(self, session: Session) -> dict[str, m.Peer]:
        """Everybody who is there, for the welcome of a session."""
        return {client: self._seen(session, each.peer) for client, each in self._by_client.items()}

    @staticmethod
    def _seen(session: Session, peer: m.Peer) -> m.Peer:
        return m.Peer(peer.name, peer.color, session.sight.state(peer.state), peer.role)

    def frames(self, session: Session) -> list[bytes]:
        """What this session is owed, if it is welcome and there is anything."""
        if session.ended is not None or not session.client or session.hello is not None:
            return []
        out = []
        if session.peers and self.peers_due:
            peers = {client: peer and self._seen(session, peer) for client, peer in session.peers.items()}
            out.append(encode(m.Peers(peers), session.format))
            session.peers, session.strange = {}, {}
        if session.untold:
            drafts: dict[str, list[m.Draft]] = {}
            for (client, key), draft in session.untold.items():
                seen = session.sight.draft(draft)
                if seen is None and (client, key) not in session.told:
                    continue
                drafts.setdefault(client, []).append(seen or m.Draft(key))
                author = self._by_client.get(client)
                if seen is not None and author is not None and key in author.drafts:
                    session.told[client, key] = None
                else:
                    session.told.pop((client, key), None)
            if drafts:
                out.append(encode(m.Drafts(drafts), session.format))
            session.untold = {}
        return out
