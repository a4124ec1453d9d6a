# A publisher of paho-mqtt whose connection breaks while it publishes. Reads its settings as one line
# of JSON from standard input: port, token, qos, paced and burst (texts). It publishes the paced ones
# one after the other and prints `# ready`; at the next line it publishes the burst, and prints
# `# done` when all of it is acknowledged, on whichever connection.

import json
import sys

import paho.mqtt.client as paho

config = json.loads(sys.stdin.readline())
options = {"client_id": "redeliver", "clean_session": False}
if hasattr(paho, "CallbackAPIVersion"):
    options["callback_api_version"] = paho.CallbackAPIVersion.VERSION2
client = paho.Client(**options)
client.username_pw_set("alice", config["token"])
client.reconnect_delay_set(1, 1)
client.connect("127.0.0.1", config["port"], keepalive=60)
client.loop_start()
for text in config["paced"]:
    client.publish("g/team/msg", text, config["qos"]).wait_for_publish()
print("# ready", flush=True)
sys.stdin.readline()
burst = [client.publish("g/team/msg", text, config["qos"]) for text in config["burst"]]
for message in burst:
    message.wait_for_publish()
print("# done", flush=True)
client.disconnect()
client.loop_stop()
