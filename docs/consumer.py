"""Prints the ended calls of one client: python consumer.py amqp://user:password@host/vhost acme [my-queue]"""

import json
import sys

import pika

url, tenant = sys.argv[1], sys.argv[2]
queue = sys.argv[3] if len(sys.argv) > 3 else f"crm.{tenant}"
seen: set[str] = set()  # a real consumer keeps these with its own data, in the same transaction


def on_message(channel, method, _properties, body):
    event = json.loads(body)
    if event["id"] not in seen:  # at least once: the same event may come again
        seen.add(event["id"])
        call = event["data"]
        caller = call["caller"].get("number") or call["caller"].get("presentation", "unknown")
        print(event["time"], event["call"], caller, "->", call.get("dialled", ""), call["result"], flush=True)
    channel.basic_ack(method.delivery_tag)  # only after the work is done


connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
channel.queue_bind(queue, "toritsugi.events", f"{tenant}.call.ended")
channel.basic_qos(prefetch_count=50)
channel.basic_consume(queue, on_message)
print("listening to", tenant, file=sys.stderr, flush=True)
channel.start_consuming()
