"""EDGE: keeps one consumer a member of its group: joins, beats, gives up, adopts, leaves.

membership.py decides; this file waits. Three tasks run between start() and stop(): one that joins
again and again, one for heartbeats, one that commits every auto_commit_interval_ms.
Partitions are given up only after the application has come back for more records: it is then done
with those it got, and only those are committed by auto commit. While it is busy, heartbeats go on
for max_poll_interval_ms; then the member leaves, and joins again when the application is back.
Source: ConsumerCoordinator.java; KIP-62 (heartbeats apart), KIP-429 (cooperative rebalancing).
Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from random import Random
from typing import Generic

from ...protocol.errors import DecodeError, error_code
from ...protocol.messages.heartbeat import HeartbeatResponse
from ...protocol.messages.join_group import JoinGroupResponse
from ...protocol.messages.sync_group import SyncGroupResponse
from ..cluster.cluster import Cluster
from ..cluster.coordinator import CoordinatorConnection, version_max
from ..config import ConsumerConfig
from ..errors import ClientError, Fatal, Retriable
from ..fetch.position import K, V
from ..fetch.pump import Fetching
from ..partitions import OffsetAndMetadata, TopicPartition
from .assignors import NO_GENERATION, decode_places
from .committing import OUTCOME_UNKNOWN, Committing
from .group_offsets import Taking
from .membership import NO_MEMBER_ID, Event, Membership, NextStep, State
from .subscription import ConsumerRebalanceListener, Subscription

logger = logging.getLogger("minibroker.client")
JOIN_LAPSE_MS = 5_000  # what JoinGroup may take beyond the rebalance timeout
STOP_TIMEOUT_S = 5.0
UNKNOWN_TOPIC_RECHECK_S = 1.0
LEAVE_GROUP_KEY = 13


class GroupMember(Generic[K, V]):
    """The group side of one consumer."""

    def __init__(
        self,
        config: ConsumerConfig,
        group_id: str,
        cluster: Cluster,
        fetching: Fetching[K, V],
        *,
        subscription: Subscription,
        random: Random,
    ) -> None:
        self._config = config
        self._cluster = cluster
        self._fetching = fetching
        self._fetcher = fetching.fetcher
        self._subscription = subscription
        self._membership = Membership(config, group_id, self._fetcher.figures)
        self._coordinator = CoordinatorConnection(group_id, config, cluster, random)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._is_settled = asyncio.Event()
        self._is_settled.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._owned: frozenset[TopicPartition] = frozenset()
        self._joined_topics: frozenset[str] = frozenset()
        self._counts: Mapping[str, int] = {}  # partitions by topic, as the leader assigned them
        self._stored: dict[TopicPartition, int] = {}  # offsets of the newest automatic commits
        self._calls = 0
        self._idle_since_ms = self._loop.time() * 1000
        self._returned: asyncio.Future[None] | None = None
        self._to_hold: frozenset[TopicPartition] = frozenset()
        self._is_away = False
        self._parting: ConsumerRebalanceListener | None = None  # whom unsubscribe() concerns
        self.committing = Committing(
            config, self._coordinator, self._membership, subscription, self._is_settled
        )
        self.taking = Taking(
            config, self._membership, subscription, self._fetcher, self._is_settled
        )

    def start(self) -> None:
        """Join as soon as there is a subscription."""
        self._idle_since_ms = self._loop.time() * 1000
        work = {"join the group": self._run(), "heartbeats": self._beat()}
        if self._config.enable_auto_commit:
            work["auto commit"] = self._commit_now_and_then()
        self._tasks = [self._cluster.spawn(each, name) for name, each in work.items()]

    async def stop(self) -> None:
        """Commit, call the listener, leave; all of it within STOP_TIMEOUT_S."""
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT_S)
        if not self._is_settled.is_set():
            self._coordinator.forget()  # a parked JoinGroup would hold up what is asked now
            self._is_settled.set()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                if self._membership.state is not State.FAILED:
                    await self._commit_settled(self._fetcher.readings)
                    await self._part_with_all()
                    await self._leave("the consumer is closed")
        except (TimeoutError, ClientError, *OUTCOME_UNKNOWN) as error:
            logger.warning("group %s was left without a word: %s", self._membership.group_id, error)
        finally:
            self._coordinator.forget()

    @property
    def wants_back(self) -> bool:
        """Whether the group waits for the application to be done with what it got."""
        return self._returned is not None

    def call_begins(self) -> None:
        """The application asks for records: it is done with those it got (and they are settled)."""
        self._calls += 1
        if self._is_away:
            self._is_away = False
            self._changed.set()
        if self._returned is not None:
            self._hold_back(self._to_hold)
            if not self._returned.done():
                self._returned.set_result(None)
            self._returned = None

    def call_ends(self) -> None:
        """The application gets records, or goes without."""
        self._calls -= 1
        self._idle_since_ms = self._loop.time() * 1000

    def made_again(self, topic: str) -> None:
        """A topic was deleted and made again: nothing is committed for the new one."""
        self._stored = {p: each for p, each in self._stored.items() if p.topic != topic}

    def unsubscribed(self) -> None:
        """The application reads nothing from now on; it may subscribe again before this is done."""
        self._parting = self._listener  # the first, if it subscribes and unsubscribes again

    def changed(self) -> None:
        """Metadata or the subscription are not what they were."""
        self._changed.set()

    async def _run(self) -> None:
        failures = 0
        try:
            while True:
                while self._is_away:
                    self._changed.clear()
                    await self._changed.wait()
                if not self._is_subscribed:
                    await self._stay_outside()
                elif await self._rebalance():
                    failures = 0
                    await self._until_over()
                else:
                    await asyncio.sleep(self._coordinator.backoff_ms(failures) / 1000)
                    failures += 1
        except Exception as error:  # noqa: BLE001  told to whoever reads next
            self._fail(error)

    @property
    def _is_subscribed(self) -> bool:
        # 1. unsubscribe() has held back all that was read; 2. subscribe() follows at once, to the
        # same topics. Looked at now, nothing has changed, and nothing would be handed out again.
        return self._subscription.is_set and self._parting is None

    @property
    def _listener(self) -> ConsumerRebalanceListener:
        return self._parting or self._subscription.listener

    async def _stay_outside(self) -> None:
        """Leave, if need be, and wait for a subscription."""
        if self._membership.generation != NO_GENERATION:
            await self._commit_settled(self._owned)
        await self._part_with_all()
        await self._leave("the consumer has unsubscribed")
        while not self._subscription.is_set:
            self._changed.clear()
            await self._changed.wait()

    async def _rebalance(self) -> bool:
        """Join and sync once; whether the member reads now. Raises what ends the membership."""
        membership = self._membership
        topics = await self._wanted_topics()
        await self._prepare(topics)
        membership.raise_if_failed()  # while the application was waited for, it has committed
        if not self._is_subscribed or self._is_away:
            return True
        self._is_settled.clear()
        try:
            step = await self._join(topics)
            if step is NextStep.DONE:
                step, places = await self._sync()
        except (Retriable, *OUTCOME_UNKNOWN) as error:
            logger.info("group %s: joining failed: %s", membership.group_id, error)
            step = NextStep.FIND
        finally:
            if membership.state in (State.JOINING, State.SYNCING):
                membership.move(Event.REBALANCE)
            self._is_settled.set()
        if step is NextStep.FAIL and membership.failure is not None:
            raise membership.failure
        if step is NextStep.FIND:
            self._coordinator.forget()
        if step is NextStep.DONE:
            await self._adopt(frozenset(places))
        return step in (NextStep.DONE, NextStep.REJOIN)

    async def _prepare(self, topics: frozenset[str]) -> None:
        """Give up what may not be kept while the group rebalances."""
        if self._membership.generation != NO_GENERATION:
            unwanted = frozenset(each for each in self._owned if each.topic not in topics)
            await self._give_up(unwanted if self._config.is_cooperative else self._owned)
        if self._membership.generation == NO_GENERATION and self._owned:
            lost = self._drop(self._owned)
            await self._tell(self._listener.on_partitions_lost, lost)

    async def _join(self, topics: frozenset[str]) -> NextStep:
        membership = self._membership
        owned = self._owned if self._config.is_cooperative else ()
        request = membership.join_request(topics, owned, "rebalance")
        timeout_ms = self._config.max_poll_interval_ms + JOIN_LAPSE_MS
        answer: JoinGroupResponse = await self._coordinator.ask(
            request, max(timeout_ms, self._config.request_timeout_ms)
        )
        try:
            step = membership.on_join(answer)
        except DecodeError as error:
            raise Fatal(f"group {membership.group_id}: a member's words: {error}") from error
        if membership.generation != NO_GENERATION:
            self._joined_topics = topics
        return step

    async def _sync(self) -> tuple[NextStep, list[TopicPartition]]:
        membership = self._membership
        assignment: dict[str, list[TopicPartition]] = {}
        if membership.is_leader and membership.assignor is not None:
            await self._know(frozenset().union(*(each.topics for each in membership.others)))
            self._counts = self._counts_now()
            if membership.assigns:
                assignment = membership.assignor.assign(membership.others, self._counts)
        answer: SyncGroupResponse = await self._coordinator.ask(
            membership.sync_request(assignment), self._config.request_timeout_ms
        )
        try:
            step = membership.on_sync(answer)
            return step, decode_places(answer.assignment) if step is NextStep.DONE else []
        except DecodeError as error:
            raise Fatal(f"group {membership.group_id}: the leader's words: {error}") from error

    async def _adopt(self, places: frozenset[TopicPartition]) -> None:
        """Read what was assigned; in a cooperative group first give up what was not."""
        revoked, added = self._owned - places, places - self._owned
        await self._give_up(revoked)
        # 1. Giving up waits for the application, longer than the group has patience.
        # 2. A heartbeat tells that the group went on: all of `places` may be others' by now.
        # Or the application has unsubscribed while JoinGroup was parked, and reads partitions of
        # its own choice already: those of the group would take their place.
        if self._membership.generation == NO_GENERATION or not self._is_subscribed:
            return
        # Owned before the listener is awaited, so that a loss meanwhile finds what to hold back.
        self._owned = places
        self._cluster.metadata.wanted.update(topic for topic, _ in places)
        self._fetcher.assign(sorted(places))
        # 1. A listener that keeps offsets of its own awaits them, to seek there.
        # 2. Meanwhile a fetch brings records from the group's committed position.
        # 3. getmany() would hand them out, and the seek come too late: so they are held back.
        self._fetcher.hold_back(added)
        logger.info("group %s: reads %s", self._membership.group_id, sorted(places))
        await self._tell(self._listener.on_partitions_assigned, added)
        # 1. The listener takes longer than max_poll_interval_ms, and the member leaves meanwhile;
        #    or the application unsubscribes. Either has held back all that was read.
        # 2. Let go, records are fetched while another member reads the same partitions.
        # 3. The application comes back and gets them before it is told that they were lost.
        if self._membership.generation != NO_GENERATION and self._is_subscribed:
            self._fetcher.let_go(added)
            self._fetching.wake()
        # 1. A owns p0 and p1; B joins; p1 is to be B's, but A names it as owned in this round.
        # 2. So the assignment gives p1 to nobody, and A gives it up just now.
        # 3. Nothing else would begin the round in which B gets it: p1 would be read by nobody.
        # 4. Nor does A's return, if it dies before: a static member gets its assignment of step 2
        #    without a round (KIP-345). It then owns nothing, and only `gives_up` tells.
        if (revoked or self._membership.gives_up) and self._membership.state is State.STABLE:
            self._membership.move(Event.REBALANCE)

    async def _give_up(self, places: frozenset[TopicPartition]) -> None:
        """Commit and part with partitions, unless they are lost while that is waited for."""
        if not places:
            return
        await self._until_returned(places)
        await self._commit_settled(places)
        # A heartbeat may have told, while the application was waited for, or the coordinator
        # itself, when it was to commit, that the group went on: then they are not given up but
        # lost, and a listener that commits in on_partitions_revoked could only fail.
        if self._membership.generation == NO_GENERATION:
            return
        await self._tell(self._listener.on_partitions_revoked, self._drop(places))

    async def _part_with_all(self) -> None:
        listener, self._parting = self._listener, None
        is_lost = self._membership.generation == NO_GENERATION
        told = listener.on_partitions_lost if is_lost else listener.on_partitions_revoked
        if self._owned:
            await self._tell(told, self._drop(self._owned))

    def _drop(self, places: frozenset[TopicPartition]) -> frozenset[TopicPartition]:
        """Read these no more."""
        self._owned -= places
        for place in places:
            self._stored.pop(place, None)
        if not self._subscription.is_manual:
            self._fetcher.assign([each for each in self._fetcher.readings if each not in places])
        return places

    async def _until_returned(self, places: frozenset[TopicPartition]) -> None:
        """Wait until the application is done with what it got; it gets no more of `places`."""
        if not self._fetcher.handed_out.is_application_busy:
            self._hold_back(places)
            return
        self._to_hold, self._returned = places, self._loop.create_future()
        self._fetching.wake_waiting()  # who gathers a batch ends it now
        await self._returned

    def _hold_back(self, places: frozenset[TopicPartition]) -> None:
        # What was assigned by hand, after unsubscribe(), is the application's own: the group may
        # still be giving up the same partitions.
        if not self._subscription.is_manual:
            self._fetcher.hold_back(places)

    async def _until_over(self) -> None:
        """Return when the group rebalances, or has to."""
        membership = self._membership
        # Not anew in each turn: 1. Heartbeats wake this. 2. With less than a second between them it
        # would never be over: a topic that was not there yet is read by nobody for minutes.
        recheck_at = self._loop.time() + UNKNOWN_TOPIC_RECHECK_S
        while membership.state is State.STABLE and self._is_subscribed:
            self._changed.clear()
            if self._is_outdated():
                membership.move(Event.REBALANCE)
                return
            is_whole = all(map(self._cluster.metadata.is_usable, self._joined_topics))
            try:
                async with asyncio.timeout_at(None if is_whole else recheck_at):
                    await self._changed.wait()
            except TimeoutError:
                self._cluster.refresh_soon()
                recheck_at = self._loop.time() + UNKNOWN_TOPIC_RECHECK_S
        membership.raise_if_failed()

    def _is_outdated(self) -> bool:
        """Whether topics or partitions have come or gone since the group was last balanced."""
        wanted = self._subscription.wanted_topics(self._cluster.metadata)
        if wanted != self._joined_topics:
            return True
        return self._membership.is_leader and self._counts != self._counts_now()

    def _counts_now(self) -> dict[str, int]:
        names = frozenset[str]().union(*(each.topics for each in self._membership.others))
        known = self._cluster.metadata.topics
        return {name: len(known[name].leaders) for name in names if name in known}

    async def _wanted_topics(self) -> frozenset[str]:
        if self._subscription.pattern is not None:
            if not self._cluster.metadata.wants_all:
                self._cluster.metadata.wants_all = True
                await self._refresh()
        else:
            await self._know(self._subscription.topics)
        return self._subscription.wanted_topics(self._cluster.metadata)

    async def _know(self, topics: Iterable[str]) -> None:
        """Ask for topics that nothing is known of yet."""
        metadata = self._cluster.metadata
        metadata.wanted.update(topics)
        if any(topic not in metadata.topics or metadata.topics[topic].error for topic in topics):
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._config.request_timeout_ms / 1000):
                await self._cluster.refresh()
        except TimeoutError:
            return  # what is not known yet is assigned when it is

    async def _beat(self) -> None:
        membership, config = self._membership, self._config
        timeout_ms = min(config.request_timeout_ms, config.session_timeout_ms)
        wait_ms: float = config.heartbeat_interval_ms
        while True:
            await asyncio.sleep(min(wait_ms, max(self._poll_left_ms(), 1)) / 1000)
            wait_ms = config.heartbeat_interval_ms
            if not membership.beats:
                continue
            try:
                if self._poll_left_ms() <= 0:
                    await self._leave_for_now()
                    continue
                generation = membership.generation
                answer: HeartbeatResponse = await self._coordinator.ask(
                    membership.heartbeat_request(), timeout_ms
                )
            except (ClientError, *OUTCOME_UNKNOWN) as error:
                logger.info("group %s: no heartbeat: %s", membership.group_id, error)
                wait_ms = config.retry_backoff_ms
                continue
            code = error_code(answer.error_code)
            if membership.judge("Heartbeat", code, generation=generation) is NextStep.FIND:
                self._coordinator.forget()
                wait_ms = config.retry_backoff_ms
            self._heed()

    def _heed(self) -> None:
        """Act at once on a change of state that came from outside the joining task."""
        if self._membership.failure is not None:
            self._fail(self._membership.failure)
        elif self._membership.generation == NO_GENERATION:
            self._hold_back(self._owned)
        self._changed.set()

    def _poll_left_ms(self) -> float:
        """How long the application may still take; endless while it waits for records."""
        if self._calls or self._is_away:
            return self._config.max_poll_interval_ms
        spent_ms = self._loop.time() * 1000 - self._idle_since_ms
        return self._config.max_poll_interval_ms - spent_ms

    async def _leave_for_now(self) -> None:
        logger.warning(
            "group %s: the application has not asked for records for max_poll_interval_ms=%d ms; "
            "leaving the group until it does",
            self._membership.group_id,
            self._config.max_poll_interval_ms,
        )
        self._is_away = True
        try:
            await self._leave("max_poll_interval_ms has passed")
        finally:
            self._heed()

    async def _leave(self, reason: str) -> None:
        """Tell the coordinator, unless this member is a static one, which may come back."""
        membership = self._membership
        member_id = membership.member_id
        try:
            if member_id != NO_MEMBER_ID and self._config.group_instance_id is None:
                await self._coordinator.ask_with(
                    lambda connection: membership.leave_request(
                        version_max(connection, LEAVE_GROUP_KEY), reason
                    ),
                    self._config.request_timeout_ms,
                )
        finally:
            membership.member_id = NO_MEMBER_ID
            membership.lose()

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._config.auto_commit_interval_ms / 1000)
            if self._is_settled.is_set():
                await self._commit_settled(self._fetcher.readings)

    async def _commit_settled(self, places: Iterable[TopicPartition]) -> None:
        """Commit what the application is done with; a failure is logged, and tried again later."""
        is_outside = self._membership.generation == NO_GENERATION
        if not self._config.enable_auto_commit or (is_outside and not self._subscription.is_manual):
            return
        readings = self._fetcher.readings
        offsets = {
            place: OffsetAndMetadata(readings[place].settled, "", readings[place].epoch)
            for place in places
            if place in readings and readings[place].settled >= 0
        }
        news = {p: each for p, each in offsets.items() if self._stored.get(p) != each.offset}
        try:
            await self.committing.commit(news, self._config.request_timeout_ms)
            self._stored.update((place, each.offset) for place, each in news.items())
        except ClientError as error:
            logger.warning("automatic commit failed: %s", error)
            self._heed()

    async def _tell(
        self,
        listen: Callable[[frozenset[TopicPartition]], Awaitable[None] | None],
        places: frozenset[TopicPartition],
    ) -> None:
        try:
            if (answer := listen(places)) is not None:
                await answer
        except Exception as error:
            raise Fatal(f"the rebalance listener raised {error!r}") from error

    def _fail(self, error: Exception) -> None:
        self._fetcher.hold_back(self._owned)
        self._fetching.fail(error)
