"""The order service against a Kafka that loses an answer on purpose."""

import asyncio

import pytest
from orders import Order, OrderService, event

ORDERS = [Order(number, "tea", count=number) for number in range(1, 6)]


async def accept_all(servers, topic, *, idempotent=True):
    async with OrderService(servers, topic, idempotent=idempotent) as service:
        for order in ORDERS:
            await service.accept(order)


def test_every_order_is_published(kafka_broker, kafka_topic):
    asyncio.run(accept_all(kafka_broker.bootstrap_servers, kafka_topic))
    kafka_broker.assert_stored_once(kafka_topic, map(event, ORDERS))


def test_an_impossible_order_is_not_published(kafka_broker, kafka_topic):
    async def accept():
        async with OrderService(kafka_broker.bootstrap_servers, kafka_topic) as service:
            await service.accept(Order(7, "tea", count=0))

    with pytest.raises(ValueError, match="order 7"):
        asyncio.run(accept())
    kafka_broker.assert_stored_once(kafka_topic, [])


def test_an_order_is_published_once_although_its_answer_is_lost(
    kafka_broker, kafka_topic, kafka_faults
):
    kafka_faults.lose_reply("Produce", topic=kafka_topic, nth=3)
    asyncio.run(accept_all(kafka_broker.bootstrap_servers, kafka_topic))
    kafka_broker.assert_stored_once(kafka_topic, map(event, ORDERS))
    kafka_faults.assert_all_fired()


def test_without_idempotence_an_order_is_published_twice(kafka_broker, kafka_topic, kafka_faults):
    kafka_faults.lose_reply("Produce", topic=kafka_topic, nth=3)
    asyncio.run(accept_all(kafka_broker.bootstrap_servers, kafka_topic, idempotent=False))
    with pytest.raises(AssertionError, match="stored too often, by 1"):
        kafka_broker.assert_stored_once(kafka_topic, map(event, ORDERS))
