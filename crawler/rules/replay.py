"""What a log adds up to: the state of a crawl as a fold over its lines. Pure.

The law: the same lines give the same state in any order and however often repeated. Each fact joins the others of its
work by a maximum, the strongest wins: done > gone > described or failed; of a page: stored > failed for good > failed
for now, and among equals the latest. A work whose images are all stored becomes one bit in a bitmap, so memory knows
only the works that are not finished. The law leans on the writer: of a work at most one content of `described`, and
of an image at most one of `stored`, stands (is not voided).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyroaring import BitMap64

from crawler.collected import Collected
from crawler.events import Closed, Described, Failed, Gone, Line, Listed, Opened, Spent, Stored, Throttled, Voided
from crawler.model import Image, Page, WorkId, bit_of
from crawler.rules.block import Block
from crawler.rules.entries import Entries
from crawler.rules.frozen import Frozen, copies
from crawler.rules.gone import RECHECKED_REASONS, weakness
from crawler.rules.listed import listed_ids
from crawler.rules.revision import REPLACED
from crawler.rules.spending import Spending
from crawler.rules.totals import Todo, Totals, keep_failure, keep_throttled, last_throttled, latest, look_over
from crawler.rules.unfinished import Fact, Had, Key, Lost, Moment, Seen, Unfinished, later, moment_of

UNTOUCHED = Todo(None)
"""What is left to do for a work of which nothing is known: for most."""


class State:
    """The state of a crawl. `voided` names the lines that a first look at the log found voided.

    With all `voided` lines known beforehand the law holds; one that comes later takes its line's fact back while the
    work is not finished, and sets `stale` where that is too late: the log must then be folded anew.
    """

    def __init__(self, voided: Collection[Key] = ()) -> None:
        self._voided: dict[str, BitMap64] = {}
        for log, seq in voided:
            self._voided.setdefault(log, BitMap64()).add(seq)
        self._done = BitMap64()
        self._gone: dict[str, BitMap64] = {}
        self._entries = Entries()
        self._unfinished = self._entries.ids
        self._images = 0
        self._bytes = 0
        self._qualities: Counter[str] = Counter()
        self._digests: set[str] = set()
        self._lists: dict[str, BitMap64] = {}
        self._opened: tuple[Moment, Mapping[str, Any]] | None = None
        self._closed: tuple[Moment, Closed] | None = None
        self._throttled: dict[str, tuple[Moment, Throttled]] = {}
        self.spending = Spending()
        self._failures: dict[Moment, Failed] = {}
        self._changed = BitMap64()
        self._apart: WorkId | None = None
        self._apart_gone: dict[Key, str] = {}
        self.first_t = ""
        self.last_t = ""
        self.stale = False

    # -- folding -----------------------------------------------------------------------------------

    def apply(self, line: Line) -> None:
        """Take a line in."""
        moment, event = moment_of(line), line.event
        match event:
            case Stored():
                self.stored(moment, event.id, event.page, event.bytes, event.quality)
            case Described():
                self.described(moment, event.id, event.images)
            case Gone():
                self._take_gone(moment, event)
            case Failed():
                keep_failure(self._failures, moment, event)
                # A work of site `urls` is its one image: nothing of it comes before page 0.
                page = 0 if event.page is None and isinstance(event.id, str) else event.page
                self._learn(event.id, Lost(event.permanent, moment, page, event.reason))
            case Voided():
                if event.reason == REPLACED and event.id is not None:
                    self._changed.add(bit_of(event.id))
                self._void((event.log, event.seq), event.id)
            case Throttled():
                keep_throttled(self._throttled, moment, event)
            case Spent():
                self.spending.apply(line, event)
            case Closed():
                self._closed = later(self._closed, line, event)
            case Opened():
                self._opened = later(self._opened, line, event.source)
                self._digests.add(str(event.source.get("digest", "")))
            case Listed():
                self._list(event)
            case Collected() | None:  # lines of `crawler collect`, and intact ones of a later version
                pass
        self._see(line.t)

    def take(self, block: Block) -> None:
        """Take many lines in, as `apply` takes each."""
        whole = block.whole() if self._apart is None and self._voided.keys().isdisjoint(block.logs) else set[WorkId]()
        bits = BitMap64(map(bit_of, whole))
        if bits.intersect(self._done) or not self._unfinished.isdisjoint(whole):
            whole = {id for id in whole if id not in self._unfinished and bit_of(id) not in self._done}
            bits = BitMap64(map(bit_of, whole))
        self._done |= bits
        images, size, qualities = block.sums(whole)
        self._images, self._bytes = self._images + images, self._bytes + size
        self._qualities.update(qualities)
        for described in block.described(whole):
            self.described(*described)
        for stored in block.stored(whole):
            self.stored(*stored)
        for line in block.others:
            self.apply(line)
        self._see(max(block.ts))
        self._see(min(block.ts))

    def stored(self, moment: Moment, id: WorkId, page: Page, size: int, quality: str) -> None:
        """Take a `stored` line in, of which only this matters here; `size` in bytes."""
        bit = None
        if id != self._apart and not (self._voided and self._is_voided(moment)):
            # A work of one image, as each of site `urls` is: `_learn` would come to this, at five times the price.
            plain = page == 0 and type(id) is str and id not in self._unfinished
            bit = bit_of(id) if plain else self._entries.pop_sole(id, page)
        if bit is not None and bit not in self._done:
            self._done.add(bit)
            self._images += 1
            self._bytes += size
            self._qualities[quality] += 1
        elif (entry := self._learn(id, Had(moment, page, size, quality))) is not None:
            self._finish(id, entry)
        if (t := moment[0]) != self.last_t:
            self._see(t)

    def described(self, moment: Moment, id: WorkId, images: tuple[Image, ...]) -> None:
        """Take a `described` line in, of which only this matters here."""
        entry = self._learn(id, Seen(moment, images))
        if entry is not None and (entry.had or not images):  # else an image is missing
            self._finish(id, entry)
        self._see(moment[0])

    def _see(self, t: str) -> None:
        if t > self.last_t:  # noqa: PLR1730  a call of max() would cost a twentieth of the fold
            self.last_t = t
        if t < self.first_t or not self.first_t:
            self.first_t = t

    def _is_voided(self, moment: Moment) -> bool:
        return moment[2] in self._voided.get(moment[1], ())

    def _learn(self, id: WorkId, fact: Fact) -> Unfinished | None:
        """The work, if it is not finished, the fact is news and more than a failure is known."""
        moment = fact.moment
        if self._voided and self._is_voided(moment):
            return None
        entry = self._entries.open(id)
        if entry is None:
            bit = id if isinstance(id, int) else bit_of(id)
            return None if bit in self._done else self._entries.begin(id, bit, fact)
        return entry if entry.add((moment[1], moment[2]), fact) else None

    def _take_gone(self, moment: Moment, event: Gone) -> None:
        if self._is_voided(moment):
            return
        if event.id == self._apart:
            self._apart_gone[moment[1], moment[2]] = event.reason
        else:
            self._gone.setdefault(event.reason, BitMap64()).add(bit_of(event.id))

    @contextmanager
    def reopened(self, id: WorkId, lines: Iterable[Line]) -> Generator[None]:
        """For what is applied inside, a work is what its standing `lines` say, none of them too late to be voided.

        `lines` are all that stand for it. At the end it is done or gone again, if it still is.
        """
        bit = bit_of(id)
        done = bit in self._done
        self._done.discard(bit)
        for ids in self._gone.values():
            ids.discard(bit)
        self._apart, self._apart_gone = id, {}
        for line in lines:
            self.apply(line)
        entry = self._entries.get(id)
        whole = entry.whole(id) if entry else None
        if done and entry and whole is not None:
            self._count(entry, whole, -1)
        self.stale |= done and whole is None  # these were not all its lines
        try:
            yield
        finally:
            self._apart = None
            for reason in self._apart_gone.values():
                self._gone.setdefault(reason, BitMap64()).add(bit)
            if (entry := self._entries.get(id)) is not None:
                self._finish(id, entry)

    def _finish(self, id: WorkId, entry: Unfinished) -> None:
        """Make a work one bit when every image it has is stored."""
        if id == self._apart or (pages := entry.whole(id)) is None:
            return
        self._done.add(entry.bit)
        self._entries.drop(id)
        self._count(entry, pages, 1)

    def _count(self, entry: Unfinished, pages: tuple[Page, ...], sign: int) -> None:
        self._images += sign * len(pages)
        for page in pages:
            _, _, size, quality = entry.had[page]
            self._bytes += sign * size
            self._qualities[quality] += sign

    def _void(self, key: Key, id: WorkId | None) -> None:
        voided = self._voided.setdefault(key[0], BitMap64())
        if key[1] in voided:
            return
        voided.add(key[1])
        holder = self._entries.holder(key, id)
        if holder is not None and (entry := self._entries.open(holder)) is not None:
            entry.remove(key)
            if not entry.facts:
                self._entries.drop(holder)
            return
        if self._apart_gone.pop(key, None) is None:
            self.stale = True

    def _list(self, event: Listed) -> None:
        ids = listed_ids(event)
        if ids is not None:  # else the list stays incomplete, and is then not used
            self._lists[event.digest] = self._lists.get(event.digest, BitMap64()) | ids

    # -- keeping -----------------------------------------------------------------------------------

    def freeze(self) -> Frozen | None:
        """All that it knows, for a snapshot; milliseconds, unless many works are unfinished. None while `stale`."""
        if self.stale or self._apart is not None:
            return None
        return Frozen(
            self._done.copy(),
            copies(self._gone),
            copies(self._lists),
            copies(self._voided),
            self._entries.frozen(),
            self._images,
            self._bytes,
            dict(self._qualities),
            sorted(self._digests),
            self._opened,
            self._closed,
            last_throttled(self._throttled),
            self.spending.rows(),
            self.spending.moments(),
            dict(latest(self._failures)),
            self.first_t,
            self.last_t,
            self._changed.copy(),
        )

    @classmethod
    def thaw(cls, frozen: Frozen) -> State:
        """The state that was frozen: further lines fold into it as into the one that it was taken of."""
        state = cls()
        state._done = frozen.done
        state._gone, state._lists, state._voided = frozen.gone, frozen.lists, frozen.voided
        for id, facts in frozen.unfinished:
            state._entries.restore(id, facts)
        state._images, state._bytes = frozen.images, frozen.bytes
        state._qualities, state._digests = Counter(frozen.qualities), set(frozen.digests)
        state._opened, state._closed = frozen.opened, frozen.closed
        state._throttled, state._failures = frozen.throttled, frozen.failures
        state.spending = Spending.restored(frozen.spent, frozen.spent_last)
        state.first_t, state.last_t = frozen.first_t, frozen.last_t
        state._changed = frozen.changed
        return state

    # -- asking ------------------------------------------------------------------------------------

    def todo(self, id: WorkId) -> Todo | None:
        """What is left to do for a work; None for done, gone, and where all that is missing failed for good."""
        bit = bit_of(id)
        if bit in self._done:
            return None
        for ids in self._gone.values():
            if bit in ids:
                return None
        entry = self._entries.get(id) if id in self._unfinished else None
        if entry is None:
            return UNTOUCHED
        pages = entry.pages(id)
        lost, left = entry.losses(pages)
        if not left and all(loss.permanent for loss in lost):
            return None
        if entry.seen is None:
            return Todo(None)
        final = {loss.page for loss in lost if loss.permanent}
        return Todo(tuple(i for i in entry.seen.images if i.page not in entry.had and i.page not in final))

    def totals(self, listed: BitMap64 | None = None) -> Totals:
        """Counts over the works in `listed`; without it, over the newest list, or all works the log knows."""
        within = self.listed() if listed is None else listed
        reasons: Counter[str] = Counter()
        settled = self._done.copy() if within is None else self._done & within
        done = len(settled)
        for reason in sorted(self._gone, key=weakness):
            ids = (self._gone[reason] if within is None else self._gone[reason] & within) - settled
            if ids:
                reasons[reason] += len(ids)
                settled |= ids
        here = look_over(self._entries.kept(), settled, within)
        reasons += here.reasons
        qualities = self._qualities + here.qualities
        known = len(settled) + here.failed + here.left
        count = max(known, self._source_ids()) if within is None else len(within)
        return Totals(
            listed=count,
            done=done,
            gone=len(settled) - done,
            failed=here.failed,
            pending=count - len(settled) - here.failed,
            images=self._images + here.images,
            bytes=self._bytes + here.bytes,
            expected_images=self._images + here.expected,
            failed_images_permanent=here.images_lost[True],
            failed_images_temporary=here.images_lost[False],
            failed_works_permanent=here.works_lost[True],
            failed_works_temporary=here.works_lost[False],
            reasons=dict(sorted(reasons.items())),
            qualities=dict(sorted(qualities.items())),
            changed=len(self._changed),
        )

    def settled(self, which: str) -> BitMap64:
        """`bit_of` works that a run leaves alone, to be asked again: `gone`, `restricted`, `failed` (for good, or one
        image of it), or `all` that the log knows, done or not. Never what was purged."""
        purged = self._gone.get("purged", BitMap64())
        if which == "all":
            return self.known() - purged
        if which == "failed":
            lost = [e.bit for id, e in self._entries.items() if any(x.permanent for x in e.losses(e.pages(id))[0])]
            return BitMap64(lost) - BitMap64().union(*self._gone.values()) - purged
        reasons = ("restricted",) if which == "restricted" else RECHECKED_REASONS
        return BitMap64().union(*(self._gone[r] for r in reasons if r in self._gone)) - self._done - purged

    def stands(self, line: Line) -> bool:
        """Whether no line that was read so far takes it back."""
        return line.seq not in self._voided.get(line.log, ())

    def unfinished(self) -> Iterator[tuple[WorkId, Unfinished]]:
        """The works that are not finished and of which something is known, with all of it."""
        yield from self._entries.items()

    def entry(self, id: WorkId) -> Unfinished | None:
        """What is known of a work, if it is not finished."""
        return self._entries.get(id)

    def known(self) -> BitMap64:
        """`bit_of` every work of which the log says anything."""
        ids = BitMap64([kept.bit for _, kept in self._entries.kept()]) | self._done
        for gone in self._gone.values():
            ids |= gone
        return ids

    def listed(self) -> BitMap64 | None:
        """`bit_of` each id of the newest list, where the log knows several; None where every id it knows is listed."""
        if self.source is None or len(self._digests) < 2:
            return None
        ids = self._lists.get(str(self.source.get("digest", "")))
        return ids if ids is not None and len(ids) == self._source_ids() else None

    @property
    def source(self) -> Mapping[str, Any] | None:
        """The `source` of the newest `opened`: path, digest, ids."""
        return None if self._opened is None else self._opened[1]

    def _source_ids(self) -> int:
        ids = (self.source or {}).get("ids", 0)
        return ids if isinstance(ids, int) else 0

    @property
    def closed(self) -> Closed | None:
        """How the newest run that ended, ended."""
        return None if self._closed is None else self._closed[1]

    @property
    def throttled(self) -> Mapping[str, Throttled]:
        """The last word of each host's limiter; of very many hosts, of those that spoke last."""
        return {host: event for host, (_, event) in sorted(last_throttled(self._throttled).items())}

    @property
    def failures(self) -> tuple[tuple[str, Failed], ...]:
        """The last failures with their times, oldest first."""
        return tuple((moment[0], event) for moment, event in latest(self._failures))
