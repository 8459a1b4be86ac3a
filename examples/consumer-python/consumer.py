#!/usr/bin/env python3
"""Prints every change of every order once, from Tradepost's topic of orders.

Kafka delivers at least once: after a crash of Tradepost, of Kafka or of this program a record may come again. So each
change is applied in one transaction of a local database, and only if its version is newer than the one stored for its
order; the offset is committed after that. Kill this program at any moment and start it again: no change is lost, and
none is applied twice.
"""

import json
import os
import signal
import sqlite3
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException

BROKERS = os.environ.get("KAFKA_BROKERS", "localhost:9092")
TOPIC = os.environ.get("ORDERS_TOPIC", "tradepost.orders.v1")
GROUP = os.environ.get("GROUP_ID", "consumer-python")
STATE = os.environ.get("STATE_FILE", "orders.db")


def open_state(path):
    """Opens what this program knows: the newest version of each order."""
    state = sqlite3.connect(path, isolation_level=None)
    state.execute("PRAGMA journal_mode = WAL")
    state.execute(
        "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL)"
    )
    return state


def apply(state, headers, value):
    """Applies a change and returns its line, or None if it was applied before."""
    order_id, version = headers["ce_subject"], int(headers["ce_aggregateversion"])
    # A real consumer has its own effect in this transaction: a row, a mail to be sent, a stock level.
    changed = state.execute(
        "INSERT INTO orders (id, version, body) VALUES (?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body "
        "WHERE excluded.version > orders.version",
        (order_id, version, value.decode()),
    ).rowcount
    if changed == 0:
        return None
    order = json.loads(value)
    total = order["total"]
    event = headers["ce_type"].removeprefix("tradepost.").removesuffix(".v1")
    return f'{order["number"]} v{version} {event} {order["status"]} {total["amount"]} {total["currencyCode"]}'


def main():
    state = open_state(STATE)
    consumer = Consumer(
        {
            "bootstrap.servers": BROKERS,
            "group.id": GROUP,
            # A new group begins with the oldest record that is kept.
            "auto.offset.reset": "earliest",
            # An offset is committed when its change is applied, never before.
            "enable.auto.commit": False,
            # After a crash the partitions wait this long for their reader (45 s by default).
            "session.timeout.ms": 10_000,
        }
    )
    consumer.subscribe([TOPIC])
    stopping = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopping.append(True))
    while not stopping:
        record = consumer.poll(0.5)
        if record is None:
            continue
        if record.error():
            # The topic is made when Tradepost first reaches Kafka; the client asks again by itself.
            if record.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART or record.error().retriable():
                continue
            raise KafkaException(record.error())
        headers = {name: text.decode() for name, text in record.headers() or []}
        # Types and headers are added over time: what is not about a version of an order is passed over.
        if "ce_aggregateversion" in headers:
            line = apply(state, headers, record.value())
            if line is None:
                print(f'{headers["ce_id"]} was applied before', file=sys.stderr)
            else:
                print(line, flush=True)
        consumer.commit(record, asynchronous=True)
    consumer.close()
    state.close()


if __name__ == "__main__":
    main()
