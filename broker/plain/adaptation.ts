// What aedes' clients are made to do otherwise, by the parts of them that its types do not show:
// see aedes.js, lib/client.js and lib/qos-packet.js of aedes 1.2.

import type { Aedes, AedesPublishPacket, Client } from 'aedes'
import type { PlainClient } from './client.ts'
import type { PacketIds } from './packet-ids.ts'
import type { Forwarded, PlainPersistence } from './ports.ts'

type Deliver = (packet: Forwarded, done: () => void) => void

interface AedesClient extends Client {
  /** The packet id of the next message to the client. */
  _nextId: number
  deliver0: Deliver
  deliverQoS: Deliver
  /** By broker, the highest counter of the messages that were delivered. */
  readonly duplicates: Record<string, number>
}

interface AedesInternals {
  publish(packet: AedesPublishPacket, ...rest: unknown[]): void
}

/** Makes a client number its messages by these ids. */
export function numberBy(client: Client, ids: PacketIds): void {
  Object.defineProperty(client, '_nextId', {
    get: () => ids.next(),
    // aedes has used the one, and says which it would use next.
    set: () => void ids.take(),
  })
}

/** Retains a message before it is delivered, and at once: in aedes what follows in the same turn
 * would overtake it. */
export function retainAtOnce(aedes: Aedes, retain: (packet: AedesPublishPacket) => void): void {
  const internal = aedes as unknown as AedesInternals
  const publish = internal.publish.bind(aedes)
  internal.publish = (packet, ...rest) => {
    if (packet.retain) retain(packet)
    packet.retain = false
    publish(packet, ...rest)
  }
}

/** aedes has no use for properties, and leaves them where they are. */
const retainMark = Object.freeze({})

/** Makes aedes write a message with RETAIN. It takes one with the flag for one that is in no queue;
 * so the flag is set after it has looked, when it tells the persistence that it sends. */
export function writeWithRetain(client: Client, packet: Forwarded): void {
  const hasLooked = client.clean || packet.qos === 0 || packet.messageId !== undefined
  if (hasLooked) packet.retain = true
  else packet.properties = retainMark
}

/** What `writeWithRetain` needs of the persistence. */
export function keepRetain(persistence: Pick<PlainPersistence, 'outgoingUpdate'>): void {
  const update = persistence.outgoingUpdate.bind(persistence)
  persistence.outgoingUpdate = (client, packet) => {
    if (packet.properties === retainMark) packet.retain = true
    return update(client, packet)
  }
}

/** Keeps a message that is on its way to a client until it is answered. */
type KeepSent = (client: Client, packet: AedesPublishPacket) => void

/** Of several filters that match a message, aedes delivers by the first it finds. Here each
 * delivers, once, at the lower of the publisher's QoS and the highest granted [MQTT-3.3.5-1,
 * MQTT-3.8.4-6]. aedes tells a message that came by another filter by its counter, and would drop
 * one that a later one has overtaken; but it goes through all filters in one turn, so that only the
 * last message can come again.
 *
 * aedes forgets a retained message once it is written; here a durable client is sent it again as
 * any other [MQTT-4.4.0-1]. */
export function deliverOnceAtHighestQos(
  client: Client,
  { granted, ids }: PlainClient,
  keepSent: KeepSent,
): void {
  const internal = client as AedesClient
  const { deliver0, deliverQoS } = internal
  let last: { readonly brokerId: string; readonly brokerCounter: number } | undefined
  const deliver: Deliver = (packet, done) => {
    const { brokerId, brokerCounter } = packet
    const isOwn = packet.clientId === client.id
    packet.qos = Math.min(packet.qos, granted.qosOf(packet.topic, isOwn)) as 0 | 1 | 2
    // One filter with No Local says nothing for the others.
    packet.nl = false
    // A retained message for a new subscription has no broker.
    if (brokerId) {
      const isLast = brokerCounter === last?.brokerCounter && brokerId === last?.brokerId
      if (isLast) return void setImmediate(done)
      last = { brokerId, brokerCounter }
      internal.duplicates[brokerId] = 0
    } else if (packet.qos > 0 && !client.clean && !ids.isFull()) {
      packet.messageId = ids.take()
      keepSent(client, packet)
    }
    if (packet.qos === 0) deliver0(packet, done)
    else deliverQoS(packet, done)
  }
  internal.deliver0 = deliver
  internal.deliverQoS = deliver
}
