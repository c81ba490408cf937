"""Prints the ended calls of one client: BUS=amqps://tenant.acme:…@host/toritsugi python consumer.py tenant.acme"""

import json
import os
import sys

import pika

queue = sys.argv[1]
seen: set[str] = set()  # a real consumer keeps these with its own data, in the same transaction


def on_message(channel, method, _properties, body):
    event = json.loads(body)
    # At least once: the same event may come again.
    if event["type"] == "jp.toritsugi.call.ended" and event["id"] not in seen:
        seen.add(event["id"])
        call = event["data"]
        caller = call["caller"].get("number") or call["caller"].get("presentation", "unknown")
        print(event["time"], event["call"], caller, "->", call.get("dialled", ""), call["result"], flush=True)
    channel.basic_ack(method.delivery_tag)  # only after the work is done


connection = pika.BlockingConnection(pika.URLParameters(os.environ["BUS"]))
channel = connection.channel()
channel.basic_qos(prefetch_count=50)
channel.basic_consume(queue, on_message)
print("listening to", queue, file=sys.stderr, flush=True)
channel.start_consuming()
