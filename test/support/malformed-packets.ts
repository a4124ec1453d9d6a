// A table of packets that end their connection, for the reader and for the whole server.

import type { Level } from '../../broker/edge/reader.ts'

/** What is wrong with a packet, at which level, and what it is as bytes. */
type Malformed = readonly [what: string, level: Level, packet: string]

/** A packet, given in hexadecimal digits and text in quotes, without its length. */
export function toBytes(packet: string): Buffer {
  const parts = packet.match(/'[^']*'|[0-9a-f]{2}/g) ?? []
  const body = parts.map((part) =>
    part.startsWith("'") ? Buffer.from(part.slice(1, -1)) : Buffer.from(part, 'hex'),
  )
  const [header, ...rest] = [...Buffer.concat(body)]
  return Buffer.from([header as number, rest.length, ...rest])
}

/** Packets that break a MUST, or are no packets of their level. The numbers are those of MQTT 3.1.1
 * and, with MQTT5, of MQTT 5. */
export const malformedPackets: readonly Malformed[] = [
  ['MQTT-2.2.2-2 flags of CONNECT', 4, "11 0004'MQTT' 04 02 0000 0001'a'"],
  ['MQTT-3.1.2-1 another protocol', 4, "10 0004'MQTX' 04 02 0000 0001'a'"],
  ['MQTT-3.1.2-3 the reserved connect flag', 4, "10 0004'MQTT' 04 03 0000 0001'a'"],
  ['MQTT-3.1.2-13 a QoS of no will', 4, "10 0004'MQTT' 04 0a 0000 0001'a'"],
  ['MQTT-3.1.2-15 a retain flag of no will', 4, "10 0004'MQTT' 04 22 0000 0001'a'"],
  ['MQTT-3.1.2-14 a will of QoS 3', 4, "10 0004'MQTT' 04 1e 0000 0001'a' 0001't' 0000"],
  ['MQTT-3.1.2-22 a password without user', 4, "10 0004'MQTT' 04 42 0000 0001'a' 0001'p'"],
  ['MQTT-3.1.2-22 the same at 3.1', 3, "10 0006'MQIsdp' 03 42 0000 0001'a' 0001'p'"],
  ['MQTT-3.1.2-9 a will that is not there', 4, "10 0004'MQTT' 04 06 0000 0001'a'"],
  ['MQTT-3.1.3-10 a will topic of no text', 4, "10 0004'MQTT' 04 06 0000 0001'a' 0001 c3 0000"],
  ['MQTT-4.7.3-1 an empty will topic', 4, "10 0004'MQTT' 04 06 0000 0001'a' 0000 0000"],
  ['MQTT-3.3.2-2 a will topic with +', 4, "10 0004'MQTT' 04 06 0000 0001'a' 0001'+' 0000"],
  ['MQTT-3.3.2-2 a will topic with #', 4, "10 0004'MQTT' 04 06 0000 0001'a' 0003't/#' 0000"],
  ['MQTT-3.1.3-4 a client id of no text', 4, "10 0004'MQTT' 04 02 0000 0001 ff"],
  ['MQTT-1.5.3-2 a client id with NUL', 4, "10 0004'MQTT' 04 02 0000 0002'a' 00"],
  ['MQTT-1.5.3-1 a client id with a surrogate', 4, "10 0004'MQTT' 04 02 0000 0003 eda080"],
  ['MQTT-3.1.3-11 a user name of no text', 4, "10 0004'MQTT' 04 82 0000 0001'a' 0002 c080"],
  ['no client id at all', 4, "10 0004'MQTT' 04 02 0000"],
  ['bytes after a CONNECT', 4, "10 0004'MQTT' 04 02 0000 0001'a' 00"],
  ['half a password', 4, "10 0004'MQTT' 04 c2 0000 0001'a' 0001'u' 0005'p'"],
  ['no properties at level 5', 5, "10 0004'MQTT' 05 02 0000"],
  ['MQTT5-1.5.5-1 a length in two bytes', 5, "10 0004'MQTT' 05 02 0000 8000 0001'a'"],
  ['a property there is not', 5, "10 0004'MQTT' 05 02 0000 02 0700 0001'a'"],
  ['MQTT5 3.1.2.11 a topic alias in CONNECT', 5, "10 0004'MQTT' 05 02 0000 03 230001 0001'a'"],
  ['MQTT5 3.1.2.11.3 receive maximum 0', 5, "10 0004'MQTT' 05 02 0000 03 210000 0001'a'"],
  ['MQTT5 3.1.2.11.4 packet size 0', 5, "10 0004'MQTT' 05 02 0000 05 2700000000 0001'a'"],
  ['receive maximum twice', 5, "10 0004'MQTT' 05 02 0000 06 210001 210001 0001'a'"],
  ['problem information 2', 5, "10 0004'MQTT' 05 02 0000 02 1702 0001'a'"],
  ['authentication data alone', 5, "10 0004'MQTT' 05 02 0000 04 160001'a' 0001'a'"],
  ['MQTT-3.3.1-4 QoS 3', 4, "36 0001't' 0001"],
  ['MQTT-3.3.1-2 DUP at QoS 0', 4, "38 0001't'"],
  ['MQTT-2.3.1-1 packet id 0', 4, "32 0001't' 0000"],
  ['MQTT-1.5.3-2 a topic with NUL', 4, "30 0003't/' 00"],
  ['MQTT5 3.3.2.3.4 topic alias 0', 5, "30 0001't' 03 230000"],
  ['MQTT5-3.3.4-6 an identifier in PUBLISH', 5, "30 0001't' 02 0b01"],
  ['MQTT5-3.3.2-14 a response topic with +', 5, "30 0001't' 04 080001'+'"],
  ['MQTT5 3.3.2.3.2 payload format 2', 5, "30 0001't' 02 0102"],
  ['an expiry twice', 5, "30 0001't' 0a 0200000001 0200000001"],
  ['properties above the packet', 5, "30 0001't' 09 0101"],
  ['MQTT-2.2.2-2 flags of PUBACK', 4, '41 0001'],
  ['MQTT-3.6.1-1 flags of PUBREL', 4, '60 0001'],
  ['PUBACK of three bytes', 4, '40 0001 00'],
  ['PUBACK of one byte', 4, '40 01'],
  ['PUBACK of packet id 0', 4, '40 0000'],
  ['PUBACK of level 5 with half a property', 5, '40 0001 00 05'],
  ['bytes after a PUBACK of level 5', 5, '40 0001 00 00 00'],
  ['MQTT-3.8.1-1 flags of SUBSCRIBE', 4, "80 0001 0001't' 00"],
  ['MQTT-2.3.1-1 SUBSCRIBE of packet id 0', 4, "82 0000 0001't' 00"],
  ['MQTT-3.8.3-3 SUBSCRIBE to nothing', 4, '82 0001'],
  ['MQTT-3-8.3-4 SUBSCRIBE with QoS 3', 4, "82 0001 0001't' 03"],
  ['MQTT-3-8.3-4 reserved options', 4, "82 0001 0001't' 04"],
  ['MQTT-3.8.3-1 a filter of no text', 4, '82 0001 0001 ff 00'],
  ['a filter without options', 4, "82 0001 0001't'"],
  ['MQTT5-3.8.3-5 reserved options of level 5', 5, "82 0001 00 0001't' 40"],
  ['MQTT5 3.8.3.1 retain handling 3', 5, "82 0001 00 0001't' 30"],
  ['MQTT5 3.8.2.1.2 identifier 0', 5, "82 0001 02 0b00 0001't' 00"],
  ['MQTT5-3.8.3-4 No Local of a shared one', 5, "82 0001 00 000a'$share/a/t' 04"],
  ['MQTT-3.10.1-1 flags of UNSUBSCRIBE', 4, "a0 0001 0001't'"],
  ['MQTT-3.10.3-2 UNSUBSCRIBE from nothing', 4, 'a2 0001'],
  ['MQTT-3.14.1-1 flags of DISCONNECT', 4, 'e1'],
  ['DISCONNECT with a reason at level 4', 4, 'e0 00'],
  ['bytes after a DISCONNECT', 5, 'e0 00 00 00'],
  ['flags of AUTH', 5, 'f1'],
  ['AUTH that says success, as servers do', 5, 'f0'],
  ['MQTT5-3.15.2-1 a reason of no AUTH', 5, 'f0 80 00'],
  ['MQTT5-3.14.2-1 a reason of servers', 5, 'e0 8e'],
  ['MQTT5-3.4.2-1 a reason of no PUBACK', 5, '40 0001 01'],
  ['MQTT5-3.5.2-1 a reason of no PUBREC', 5, '50 0001 92'],
  ['MQTT5-3.6.2-1 a reason of no PUBREL', 5, '62 0001 10'],
  ['MQTT5-3.7.2-1 a reason of no PUBCOMP', 5, '70 0001 91'],
]
