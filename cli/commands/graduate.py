"""EDGE: `minibroker graduate --to SERVERS`: from one Kafka to another, with the same clients.

Three calls, each of which can be repeated until it says that its step is done; what stands between
them is the user's to do, and is said. The work is in graduating/, the story in docs/graduate.md.
Tests: tests/system/commands/test_graduate.py
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ...client.errors import ClientError
from ..asking.admin import parse_names
from ..comparing.differences import Kind
from ..comparing.side import Side, Unreachable, side_of
from ..graduating.following import CLOSE_S, Ends, Following
from ..graduating.java_security import java_security
from ..graduating.kept import Kept, Step
from ..graduating.looking import facts_of, group_types, topics_to_mirror
from ..graduating.mirror_properties import commands, mirror_properties
from ..graduating.moving import Moving
from ..graduating.plan import findings
from ..terminal.addresses import add_bootstrap_server, parse_addresses
from ..terminal.counts import parse_count, parse_whole
from ..terminal.progress import counted
from ..terminal.running import CommandFailed, WrongUsage, running
from ..terminal.tables import table

SUMMARY = "move to another Kafka without a gap: mirror, switch, groups"
EXAMPLES = (
    "graduate --to kafka-1:9092,kafka-2:9092",
    "graduate --to kafka-1:9092,kafka-2:9092 --producers-stopped",
    "graduate --to kafka-1:9092,kafka-2:9092 --consumers-stopped",
)
COMMITTED = 1
CATCH_UP_S = 86_400


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--to",
        type=parse_addresses,
        required=True,
        metavar="HOST[:PORT],...",
        help="the new Kafka; the old one is that of --bootstrap-server",
    )
    parser.add_argument(
        "--to-command-config", metavar="FILE", help="properties of TLS and SASL for the new Kafka"
    )
    step = parser.add_mutually_exclusive_group()
    step.add_argument(
        "--producers-stopped",
        action="store_true",
        help="second step: nobody writes to the old Kafka any more, nothing is in flight",
    )
    step.add_argument(
        "--consumers-stopped",
        action="store_true",
        help="third step: nobody reads in the groups; gives them their positions",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("graduate"),
        metavar="DIR",
        help="where it is kept how far it has come (default: graduate)",
    )
    parser.add_argument(
        "--topics", type=parse_names, metavar="TOPIC,...", help="only these (default: all of users)"
    )
    parser.add_argument(
        "--groups", type=parse_names, metavar="GROUP,...", help="only these (default: all)"
    )
    parser.add_argument(
        "--replication-factor",
        type=parse_count,
        metavar="N",
        help="copies in the new Kafka (default: 3, or as many as it has brokers)",
    )
    parser.add_argument(
        "--within",
        type=parse_whole,
        default=CATCH_UP_S,
        metavar="SECONDS",
        help=f"how long the mirror may take to catch up (default: {CATCH_UP_S})",
    )
    add_bootstrap_server(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> int:
    """Do one step."""
    return running("graduate", lambda: _run(args))


async def _run(args: Namespace) -> int:
    async with (
        side_of("old", args.bootstrap_server, args.command_config, COMMITTED) as old,
        side_of("new", args.to, args.to_command_config, COMMITTED) as new,
    ):
        graduation = Graduation(args, old, new)
        try:
            await graduation.run()
        except ClientError as error:
            raise Unreachable(str(error)) from error
    return 0


class Graduation:
    """One call of the command."""

    def __init__(self, args: Namespace, old: Side, new: Side) -> None:
        self._args = args
        self._old = old
        self._new = new
        self._kept = Kept(args.directory, old.cluster_id, new.cluster_id)
        self._document: dict[str, object] = {}

    async def run(self) -> None:
        """Do the step that the options name."""
        args, plan = self._args, self._kept.plan
        if args.producers_stopped:
            if plan.step is Step.NOTHING:
                raise WrongUsage("--producers-stopped: the mirror catches up first, without it")
            await self._switch()
        elif args.consumers_stopped:
            if plan.step not in (Step.SWITCHED, Step.MOVED):
                raise WrongUsage("--consumers-stopped: producers are switched first")
            await self._move()
        elif plan.step in (Step.SWITCHED, Step.MOVED):
            self._say(f"{plan.step} already: nothing is to be mirrored any more")
        else:
            await self._mirror()
        self._document["step"] = str(plan.step)
        if args.json:
            print(json.dumps(self._document))

    async def _mirror(self) -> None:
        args, old, new, kept = self._args, self._old, self._new, self._kept
        topics = await topics_to_mirror(old, args.topics)
        groups = await group_types(old, args.groups)
        facts = await facts_of(old, new, topics, groups, args.replication_factor)
        found = [*findings(facts)]
        self._document["findings"] = [each._asdict() for each in found]
        rows = [(each.what, "stops" if each.stops else "ok", each.said) for each in found]
        self._say(table(("WHAT", "", ""), rows))
        if any(each.stops for each in found):
            raise CommandFailed("something stands in the way; nothing has been changed")
        plan_is_new = kept.plan.step is Step.NOTHING
        kept.plan.topics, kept.plan.only_topics = sorted(topics), args.topics
        kept.plan.only_groups = args.groups
        kept.save()
        security = (_security(old), _security(new))
        files = mirror_properties(
            *((old.servers, new.servers), security, sorted(topics), sorted(groups)),
            replication_factor=facts.replication_factor,
            secrets_path=str(kept.secrets),
            longest_bytes=facts.longest_bytes,
        )
        if kept.write_mirror(files):
            self._say(f"wrote {kept.mirror}: start MirrorMaker with it, or anew if it runs:")
        else:
            self._say("MirrorMaker is to run, until the groups are moved:")
        for each in commands(str(kept.mirror), security):
            self._say(f"  {each}")
        records = await self._follow(Following(old, new, sorted(topics), kept.verified))
        if plan_is_new:
            kept.plan.step = Step.MIRRORED
            kept.save()
        self._document["records"] = records
        self._say(
            f"caught up: {records:,} records are the same, and what comes is there within "
            f"{CLOSE_S:.0f} s. MirrorMaker goes on. To switch:\n"
            "  1. stop all producers of the old cluster; let them end what is in flight: a retry\n"
            "     across the switch would be stored twice\n"
            "  2. repeat this command with --producers-stopped\n"
            "  3. when it says so, start them on the new cluster"
        )

    async def _switch(self) -> None:
        kept, plan = self._kept, self._kept.plan
        is_switched = plan.step in (Step.SWITCHED, Step.MOVED)
        topics = sorted({each[0] for each in plan.ends}) if is_switched else await self._mirrored()
        following = Following(self._old, self._new, topics, kept.verified)
        if is_switched:
            self._must_be_still(await following.ends())
            self._say("switched already: producers write to the new cluster")
            return
        bar = counted("catching up")
        with bar:
            ends = await following.until_still(
                self._args.within, lambda behind, records: bar.show("", records, records + behind)
            )
        plan.ends = [(*place, end) for place, end in sorted(ends.items())]
        plan.step = Step.SWITCHED
        kept.save()
        self._say(
            f"the new cluster has all that the old one has. Start producers with\n"
            f"  bootstrap.servers={self._new.servers}\n"
            "Consumers may read the old cluster to its end first. Then:\n"
            "  1. stop all consumers of the old cluster\n"
            "  2. repeat this command with --consumers-stopped\n"
            "  3. when it says so, start them on the new cluster"
        )

    async def _move(self) -> None:
        args, kept, plan = self._args, self._kept, self._kept.plan
        topics = sorted({topic for topic, _, _ in plan.ends})
        self._must_be_still(await Following(self._old, self._new, topics, kept.verified).ends())
        groups = plan.only_groups if args.groups is None else args.groups
        moving = Moving(self._old, self._new, kept, topics, groups)
        comparison, moved = await moving.move()
        plan.step = Step.MOVED
        kept.save()
        # Groups that were moved before have gone on since; those of now have been looked at.
        counts = {
            str(kind): count
            for kind, count in comparison.found.counts.items()
            if kind is not Kind.POSITION
        }
        self._document |= {
            "groups": plan.groups,
            "records": comparison.records,
            "equal": not counts,
            "counts": counts,
        }
        self._say(
            f"{len(moved)} groups moved, {len(plan.groups)} in all, each to exactly its position; "
            f"{comparison.records:,} records in {len(comparison.logs)} partitions are the same. "
            "Start consumers with\n"
            f"  bootstrap.servers={self._new.servers}\n"
            "MirrorMaker may be stopped. Nothing else of the clients changes."
        )
        if counts:
            said = ", ".join(f"{count} {kind}" for kind, count in counts.items())
            raise CommandFailed(
                f"what else differs: {said}; see minibroker compare {self._old.servers} "
                f"{self._new.servers} --by order"
            )

    async def _mirrored(self) -> list[str]:
        """The topics that the mirror was told of. Raises CommandFailed: there are more."""
        plan = self._kept.plan
        wanted = plan.only_topics if self._args.topics is None else self._args.topics
        topics = sorted(await topics_to_mirror(self._old, wanted))
        late = [name for name in topics if plan.topics and name not in plan.topics]
        if late:
            raise CommandFailed(
                f"the mirror was not told of {', '.join(late)}: repeat the first step, without "
                "--producers-stopped, and start MirrorMaker anew when it says so"
            )
        return topics

    def _must_be_still(self, ends: Ends) -> None:
        known = {(topic, partition): end for topic, partition, end in self._kept.plan.ends}
        late = [place for place, end in ends.items() if known.get(place, end) != end]
        if late:
            names = ", ".join(f"{topic}-{partition}" for topic, partition in late[:5])
            raise CommandFailed(
                f"after the switch somebody wrote to the old cluster ({names}): stop them; what "
                "they wrote is mirrored as long as MirrorMaker runs, and stands behind what came "
                "to the new cluster first"
            )

    async def _follow(self, following: Following) -> int:
        with counted("mirrored") as bar:
            return await following.catch_up(
                self._args.within,
                lambda behind, records: bar.show(
                    f"{behind:,} offsets behind", records, records + behind
                ),
                lag_s=CLOSE_S,
            )

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr if self._args.json else sys.stdout, flush=True)


def _security(side: Side) -> dict[str, str]:
    try:
        return java_security(side.given)
    except OSError as error:
        raise WrongUsage(f"{error.filename}: {error.strerror}") from None
