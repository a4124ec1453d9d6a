// What waits for durable devices, and what must be known of a device while it is connected here.
// The package's own queues keep one packet id of a message for all its devices, forget the granted
// QoS, keep an entry of each QoS 2 message for ever, and have no bounds.

import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { Drain } from './drain.ts'
import type { QueueStore } from './queue-store.ts'
import { AnotherHasIt } from './queue-store.ts'
import type { Qos, QueuedPacket } from './queued-packet.ts'
import { memberOf } from './queued-packet.ts'

export interface Subscriber {
  readonly clientId: string
  readonly topic: string
  readonly qos: Qos
  readonly nl?: boolean | undefined
}

interface ClientRef {
  readonly id: string
}

/** A durable device that is connected here. */
interface Attended {
  /** Of this connection of it. */
  readonly owner: string
  /** Messages that were sent and are not answered, by packet id. */
  sent: Map<number, string>
  drain: Drain | undefined
  /** Whether Redis could not take or say something of it. */
  isUnknown: boolean
}

/** Tells of Redis that could not be asked. */
type Failed = (err: unknown) => void

export function makeQueues(store: QueueStore, failed: Failed) {
  const attended = new Map<string, Attended>()
  return {
    ...makeAttendance(store, attended),
    ...makeOutgoing({ store, attended, failed }),
    isKept: store.isKept,
    forgetQueue: store.forget,
    async outgoingEnqueueCombi(subscriptions: readonly Subscriber[], packet: QueuedPacket) {
      const puts = [...oneForEach(subscriptions, packet.clientId)].map(({ clientId, qos }) =>
        store.put(clientId, {
          ...packet,
          qos: Math.min(qos, packet.qos) as Qos,
          // It comes by a subscription that was there before [MQTT-3.3.1-9].
          retain: false,
          messageId: undefined,
        }),
      )
      // Who is connected gets it all the same.
      for (const result of await Promise.allSettled(puts)) {
        if (result.status === 'rejected') failed(result.reason)
      }
    },
    keepSent({ id }: ClientRef, packet: QueuedPacket) {
      const kept = { ...packet, brokerId: `sent-${randomUUID()}`, brokerCounter: 0 }
      const at = attended.get(id)
      if (at === undefined || kept.messageId === undefined) return
      const member = memberOf(kept)
      at.sent.set(kept.messageId, member)
      at.drain?.ignore(member)
      store.put(id, kept).catch(failed)
    },
  }
}

function makeAttendance(store: QueueStore, attended: Map<string, Attended>) {
  return {
    /** A durable client is here: what is kept of it is loaded. Rejects if that is not possible; it
     * can be served all the same. */
    async arrived(id: string): Promise<number | undefined> {
      const owner = randomUUID()
      const at: Attended = { owner, sent: new Map(), drain: undefined, isUnknown: true }
      attended.set(id, at)
      const kept = await store.arrive(id, owner)
      at.isUnknown = false
      if (kept !== undefined) at.sent = kept.sent
      return kept?.nextId
    },
    async departed(id: string, nextId: number): Promise<void> {
      const at = attended.get(id)
      attended.delete(id)
      if (at !== undefined && !at.isUnknown) await store.depart(id, at.owner, nextId)
    },
    unanswered: (id: string) => [...(attended.get(id)?.sent.keys() ?? [])],
    expect(id: string) {
      const at = attended.get(id)
      if (at !== undefined) at.drain = new Drain()
    },
    isDraining(id: string, packet?: Partial<QueuedPacket>): boolean {
      const drain = attended.get(id)?.drain
      if (drain === undefined) return false
      return drain.isOpen() || (packet !== undefined && drain.hasSent(memberOf(packet)))
    },
    /** Connected devices for which something waits that they should have got, or may. */
    async missed(): Promise<string[]> {
      const ids: string[] = []
      for (const [id, { isUnknown, drain }] of attended) {
        const isBehind = isUnknown || (!drain?.isOpen() && (await store.needsCare(id)))
        if (isBehind) ids.push(id)
      }
      return ids
    },
  }
}

interface OutgoingParts {
  readonly store: QueueStore
  readonly attended: ReadonlyMap<string, Attended>
  readonly failed: Failed
}

function makeOutgoing({ store, attended, failed }: OutgoingParts) {
  /** What Redis did not take of a device makes it unknown. */
  const unknown = (at: Attended) => (err: unknown) => {
    at.isUnknown = true
    failed(err)
  }

  /** Sends what waits until nothing does; what comes meanwhile joins it. */
  async function* queueOf(id: string): AsyncGenerator<QueuedPacket> {
    const at = attended.get(id)
    if (at === undefined) return
    if (!at.drain?.isOpen()) at.drain = new Drain()
    const { drain } = at
    let place = 0
    try {
      for (;;) {
        drain.look()
        const { entries, last } = await store.page(id, place)
        place = last
        for (const { member, packet } of entries) {
          if (drain.hand(member)) yield packet
        }
        if (entries.length > 0 || drain.hasMissed()) continue
        // In the same turn: what comes next is sent, or makes it look again.
        if (drain.isOver()) break
        await drain.progress()
      }
    } catch (err) {
      unknown(at)(err)
    } finally {
      drain.close()
    }
  }

  return {
    outgoingStream: ({ id }: ClientRef) => Readable.from(queueOf(id)),
    /** A message is sent with a packet id, or replaced by its PUBREL. One that found no room in the
     * queue is sent all the same. Rejects, which ends the connection, when another one has the
     * device, and at QoS 2 when Redis is away: it must not come twice. */
    async outgoingUpdate({ id }: ClientRef, packet: QueuedPacket): Promise<void> {
      const at = attended.get(id)
      const { cmd, messageId } = packet
      if (at === undefined || messageId === undefined) return
      if (cmd === 'pubrel') {
        const received = at.sent.get(messageId)
        if (received === undefined) return
        await store.received(id, at.owner, received, messageId)
        at.drain?.sent(received)
        return
      }
      const member = memberOf(packet)
      const isKept = store.sent(id, at.owner, member, messageId)
      if (await (packet.qos === 2 ? isKept : orAway(isKept, unknown(at)))) {
        at.sent.set(messageId, member)
      }
      at.drain?.sent(member)
    },
    /** A message is acknowledged, or, without a packet id, is not for the client: unless its queue
     * is being sent, and comes to it. */
    async outgoingClearMessageId({ id }: ClientRef, packet: Partial<QueuedPacket>): Promise<void> {
      const at = attended.get(id)
      if (at === undefined) return
      const { messageId } = packet
      const member = messageId === undefined ? memberOf(packet) : at.sent.get(messageId)
      if (member === undefined) return
      if (messageId === undefined) {
        if (at.drain?.defers(member)) return
        return store.dropUnsent(id, at.owner, member).catch(unknown(at))
      }
      at.sent.delete(messageId)
      await store.drop(id, at.owner, member).catch(unknown(at))
      at.drain?.sent(member)
    },
  }
}

/** Another connection that has the device is no matter of Redis. */
function orAway(isKept: Promise<boolean>, away: Failed): Promise<boolean> {
  return isKept.catch((err: unknown) => {
    if (err instanceof AnotherHasIt) throw err
    away(err)
    return false
  })
}

/** A client gets a message once, at the highest QoS of its filters that match [MQTT-3.3.5-1]; one
 * of its own not by those that do not want it [MQTT5-3.8.3-3]. */
function oneForEach(
  subscriptions: readonly Subscriber[],
  publisher: string | undefined,
): Iterable<Subscriber> {
  const highest = new Map<string, Subscriber>()
  for (const subscription of subscriptions) {
    const { clientId, qos, nl } = subscription
    if (nl && clientId === publisher) continue
    if (qos >= (highest.get(clientId)?.qos ?? 0)) highest.set(clientId, subscription)
  }
  return highest.values()
}
