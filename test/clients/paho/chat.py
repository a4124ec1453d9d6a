# Chat with paho-mqtt, of version 1 or 2. Reads what it needs as JSON from standard input: port,
# transport (tcp or websockets), tokens by user, level of the protocol. Each check prints a line, `ok …` or `not ok …`.

import json
import queue
import sys
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

CONFIG = json.load(sys.stdin)
DEADLINE = 10
LINES = [f"message {number}" for number in range(1, 301)]


class Device:
    """A user's device, with what it received in order."""

    def __init__(self, user, device, clean=False, password=None, protocol=CONFIG["level"]):
        self.received = []
        self.connected = queue.Queue()
        self.subscribed = queue.Queue()
        self.disconnected = queue.Queue()
        options = {
            "client_id": device,
            "transport": CONFIG["transport"],
            "protocol": protocol,
        }
        start = {"keepalive": 30}
        if protocol == paho.MQTTv5:
            start["clean_start"] = clean
            start["properties"] = Properties(PacketTypes.CONNECT)
            start["properties"].SessionExpiryInterval = 0 if clean else 0xFFFFFFFF
        else:
            options["clean_session"] = clean
        if hasattr(paho, "CallbackAPIVersion"):
            options["callback_api_version"] = paho.CallbackAPIVersion.VERSION2
        self.client = paho.Client(**options)
        if CONFIG["transport"] == "websockets":
            self.client.ws_set_options(path="/mqtt")
        self.client.username_pw_set(user, password or CONFIG["tokens"][user])
        # Version 2 passes one argument more to each of these, at the end, and objects for codes.
        self.client.on_connect = lambda _c, _u, flags, code, *_: self.connected.put((flags, code))
        self.client.on_subscribe = lambda _c, _u, _mid, granted, *_: self.subscribed.put(granted)
        self.client.on_disconnect = lambda _c, _u, *codes: self.disconnected.put(codes)
        self.client.on_message = lambda _c, _u, message: self.received.append(message)
        self.client.max_inflight_messages_set(100)
        self.client.max_queued_messages_set(0)
        self.client.connect("127.0.0.1", CONFIG["port"], **start)
        self.client.loop_start()
        flags, code = self.connected.get(timeout=DEADLINE)
        self.code = code if isinstance(code, int) else code.value
        self.present = bool(
            flags["session present"] if isinstance(flags, dict) else flags.session_present
        )

    def subscribe(self, *filters):
        self.client.subscribe([(name, 1) for name in filters])
        granted = self.subscribed.get(timeout=DEADLINE)
        return [code if isinstance(code, int) else code.value for code in granted]

    def say(self, topic, texts, qos=1):
        sent = [self.client.publish(topic, text, qos) for text in texts]
        for message in sent:
            wait_until("a publish is acknowledged", message.is_published)

    def envelopes(self, topic=None):
        return [json.loads(m.payload) for m in list(self.received) if topic in (None, m.topic)]

    def texts(self, topic=None):
        return [envelope.get("text") for envelope in self.envelopes(topic)]

    def hears(self, count):
        wait_until(f"{count} messages", lambda: len(self.received) >= count)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def wait_until(what, condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain: {what}")
        time.sleep(0.002)


def check(what, found, expected):
    if found == expected:
        print(f"ok {what}", flush=True)
        return
    at = ""
    if isinstance(found, list) and isinstance(expected, list):
        same = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), 0)
        at = f" from {same} of {len(found)} and {len(expected)}"
        found, expected = found[same : same + 3], expected[same : same + 3]
    print(f"not ok {what}:{at} {str(found)[:200]} instead of {str(expected)[:200]}", flush=True)


def direct_messages():
    alice = Device("alice", "direct")
    laptop = Device("alice", "direct-laptop")
    bob = Device("bob", "direct")
    check("a new device has no session", bob.present, False)
    check("the own topics are granted", bob.subscribe("u/bob/msg", "u/bob/error"), [1, 1])
    refused = 135 if CONFIG["level"] == 5 else 128
    check("those of others are not", bob.subscribe("u/alice/#", "g/+/msg"), [refused, 1])
    laptop.subscribe("u/alice/msg")
    alice.say("u/bob/msg", ["hello", '{"id":"m1","text":"grüße"}', bytes([255, 0])])
    bob.hears(3)
    laptop.hears(3)
    check("texts reach the peer", bob.texts(), ["hello", "grüße", None])
    check("bytes reach the peer", bob.envelopes()[2].get("data"), "/wA=")
    check("the own other device has the same", laptop.envelopes(), bob.envelopes())
    bob.say("g/nowhere/msg", ["x"])
    bob.hears(4)
    check("a refusal is explained", bob.envelopes()[3]["code"], "not-a-member")
    for device in (alice, laptop, bob):
        device.close()


def offline_and_back():
    alice = Device("alice", "offline")
    bob = Device("bob", "offline")
    tablet = Device("bob", "offline-tablet")
    bob.subscribe("g/+/msg")
    tablet.subscribe("g/+/msg")
    alice.say("g/team/msg", ["seen"])
    bob.hears(1)
    # Answered after its acknowledgements were read.
    bob.subscribe("g/+/msg")
    bob.close()
    alice.say("g/team/msg", LINES)
    tablet.hears(301)
    bob = Device("bob", "offline")
    check("the session is present", bob.present, True)
    alice.say("g/team/msg", ["new"])
    bob.hears(301)
    tablet.hears(302)
    check("it gets what it missed, in order", bob.texts(), LINES + ["new"])
    check("the other device went on", tablet.texts(), ["seen"] + LINES + ["new"])
    for device in (alice, bob, tablet):
        device.close()


def everyone_at_once():
    users = ["alice", "bob", "carol"]
    devices = [Device(user, "crowd", clean=True) for user in users]
    for device in devices:
        # Without a limit: above it QoS 0 would overtake the others in the client.
        device.client.max_inflight_messages_set(0)
        device.subscribe("g/+/msg")
    for number in range(200):
        for user, device in zip(users, devices):
            device.client.publish("g/team/msg", f"{user} {number}", number % 3)
    for device in devices:
        device.hears(600)
    first = devices[0].envelopes()
    for device in devices[1:]:
        check("all hear the same order", device.envelopes(), first)
    seqs = [envelope["seq"] for envelope in first]
    check("without a gap", seqs, list(range(seqs[0], seqs[0] + 600)))
    for user in users:
        own = [envelope["text"] for envelope in first if envelope["from"] == user]
        check("each in their order", own, [f"{user} {number}" for number in range(200)])
    for device in devices:
        device.close()


def takeover_and_clean():
    alice = Device("alice", "takeover")
    old = Device("bob", "takeover")
    old.subscribe("u/bob/msg")
    # The network loop of the old one stops, or it would connect again and take over in its turn.
    old.client.on_disconnect = None
    old.client.reconnect_delay_set(60, 120)
    new = Device("bob", "takeover")
    check("the session is taken over", new.present, True)
    alice.say("u/bob/msg", ["after"])
    new.hears(1)
    check("the new one hears", new.texts(), ["after"])
    check("the old one does not", old.texts(), [])
    old.client.loop_stop()
    new.close()
    Device("bob", "takeover", clean=True).close()
    again = Device("bob", "takeover")
    check("clean=true forgot it", again.present, False)
    for device in (alice, again):
        device.close()


def refused():
    device = Device("alice", "refused", password="no token")
    check("a bad token is refused", device.code in (4, 134), True)
    device.close()
    old = Device("alice", "old", protocol=paho.MQTTv31)
    check("MQTT 3.1 is accepted", old.code, 0)
    old.close()


print(f"# paho-mqtt {getattr(paho, '__version__', '') or sys.modules['paho.mqtt'].__version__}")
for part in (direct_messages, offline_and_back, everyone_at_once, takeover_and_clean, refused):
    try:
        part()
    except Exception as error:  # The other parts may still tell something.
        print(f"not ok {part.__name__}: {error!r}", flush=True)
print("# done", flush=True)
