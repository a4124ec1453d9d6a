// What aedes' clients are made to do otherwise, by the parts of them that its types do not show:
// see aedes.js, lib/client.js and lib/qos-packet.js of aedes 1.2.

import type { Aedes, AedesPublishPacket, Client } from 'aedes'
import { covers } from '../protocol/filters.ts'
import { packetIdMax } from '../services/delivery/window.ts'

type Deliver = (packet: AedesPublishPacket, done: () => void) => void

interface AedesClient extends Client {
  /** Filters with what was granted. */
  readonly subscriptions: Readonly<Record<string, { readonly qos: 0 | 1 | 2 }>>
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

const idMax = 65_535

/** Keeps the packet ids of a client above those of chat. Returns what tells the next one. */
export function numberFrom(client: Client, first: number): { next(): number } {
  let next = first
  Object.defineProperty(client, '_nextId', {
    get: () => next,
    // aedes begins anew with 1.
    set: (id: number) => {
      next = id > packetIdMax && id <= idMax ? id : packetIdMax + 1
    },
  })
  return { next: () => next }
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

/** Of several filters that match a message, aedes delivers by the first it finds. Here each
 * delivers at the publisher's QoS, and `grantedQos` lowers it [MQTT-3.3.5-1]. aedes tells a message
 * that came by another filter by its counter, and would drop one that a later one has overtaken;
 * but it goes through all filters in one turn, so that only the last message can come again. */
export function deliverOnceAtHighestQos(client: Client): void {
  const internal = client as AedesClient
  const { deliver0, deliverQoS } = internal
  let last: number | undefined
  const deliver: Deliver = (packet, done) => {
    const { brokerId, brokerCounter } = packet
    // A retained message for a new subscription has no broker.
    if (brokerId) {
      if (brokerCounter === last) return void setImmediate(done)
      last = brokerCounter
      internal.duplicates[brokerId] = 0
    }
    if (packet.qos === 0) deliver0(packet, done)
    else deliverQoS(packet, done)
  }
  internal.deliver0 = deliver
  internal.deliverQoS = deliver
}

/** The QoS at which the client gets a message: not above the publisher's and the highest granted
 * [MQTT-3.8.4-6]. */
export function grantedQos(client: Client, packet: AedesPublishPacket): 0 | 1 | 2 {
  const { subscriptions } = client as AedesClient
  let highest: 0 | 1 | 2 | undefined
  for (const filter in subscriptions) {
    const qos = subscriptions[filter]?.qos ?? 0
    if (qos > (highest ?? -1) && covers(filter, packet.topic)) highest = qos
  }
  // What waits from before an UNSUBSCRIBE was granted then.
  return highest === undefined || highest > packet.qos ? packet.qos : highest
}
