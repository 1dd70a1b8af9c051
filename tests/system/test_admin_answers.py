"""Our answers to requests other than Produce are Apache Kafka's."""

from tests.support.admin_answers import ROWS, shown
from tests.support.runtime import connect, running_broker


async def test_our_answers_are_kafkas() -> None:
    async with running_broker() as runtime:
        connection = await connect(runtime)
        different = []
        for row in ROWS:
            answer = shown(await connection.request(row.message, version=row.version))
            if answer != row.answer:
                different.append(f"{row.name}: {answer!r}, Kafka: {row.answer!r}")
        await connection.close()
    assert not different, "\n".join(different)
