// What aedes keeps between connections, in memory: subscriptions, retained messages and message
// queues of ours, and of aedes' own in-memory persistence what is left, the wills. aedes' own
// queues grow without bound, hold a message once for each overlapping filter, at the publisher's
// QoS, forget that it was sent before, and let what is new overtake it.

import { Readable } from 'node:stream'
import aedesPersistence from 'aedes-persistence'
import type { Clock } from '../../protocol/clock.ts'
import { systemClock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { Incoming } from './incoming.ts'
import { makeIncoming } from './incoming.ts'
import type { Retained, RetainedLimits } from './retained.ts'
import { makeRetained } from './retained.ts'
import type { Subscriber, Subscriptions } from './subscriptions.ts'
import { makeSubscriptions } from './subscriptions.ts'

export interface QueueLimits {
  /** Most messages that wait for one device. */
  readonly messagesMax: number
  /** Most bytes of their payloads and topics, and of what a message takes beside them. */
  readonly bytesMax: number
  /** The same of all devices together. What several devices wait for counts for each. */
  readonly bytesInAllMax: number
}

type Qos = 0 | 1 | 2

/** A message, or the PUBREL that took its place. */
interface QueuedPacket {
  readonly cmd: string
  readonly brokerId?: string
  readonly brokerCounter?: number
  /** Who published it. */
  readonly clientId?: string
  /** When it is over, ms since the epoch; never if absent. */
  readonly messageExpiry?: number
  readonly topic?: string
  readonly payload?: Uint8Array | string
  readonly qos: Qos
  readonly retain?: boolean
  /** Set once it was sent. */
  messageId?: number | undefined
  dup: boolean
}

/** The packets of one device, oldest first. */
interface Queue {
  readonly packets: QueuedPacket[]
  /** What they count for. */
  bytes: number
  /** No packet is over before, ms since the epoch. */
  nextExpiry: number
}

interface ClientRef {
  readonly id: string
}

interface Queues {
  outgoingEnqueueCombi(subscriptions: readonly Subscriber[], packet: QueuedPacket): Promise<void>
  outgoingUpdate(client: ClientRef, packet: QueuedPacket): Promise<void>
  outgoingClearMessageId(
    client: ClientRef,
    packet: Partial<QueuedPacket>,
  ): Promise<QueuedPacket | undefined>
  outgoingStream(client: ClientRef): Readable
  /** Packet ids of what was sent to a client and is not answered. */
  unanswered(clientId: string): readonly number[]
  /** Keeps a message that is being sent with its packet id, if there is room, until it is
   * answered. */
  keepSent(client: ClientRef, packet: QueuedPacket): void
  /** Drops what waits for a client. */
  dropQueue(clientId: string): void
}

/** Its types do not say that the package is one function. */
const memory = aedesPersistence as unknown as () => object

export interface PlainPersistence extends Subscriptions, Retained, Queues, Incoming {
  /** A durable client is about to ask for its queue. */
  expect(clientId: string): void
  /** Whether the queue of a client is being sent: what is new joins it, so that it keeps its place
   * [MQTT-4.6.0-6]. */
  isDraining(clientId: string): boolean
  /** Forgets everything of a client that is not connected. */
  forget(clientId: string): Promise<void>
}

/** Makes the persistence; queues beyond `limits` take no further messages, and there are no further
 * retained ones, of which the log tells once. */
export function makePlainPersistence(
  limits: QueueLimits & RetainedLimits,
  logger: Logger,
  now: Clock = systemClock,
): PlainPersistence {
  const retained = makeRetained(limits, logger, now)
  const subscriptions = makeSubscriptions()
  const incoming = makeIncoming()
  const queues = new Map<string, Queue>()
  const drains = new Map<string, Drain>()
  const lines = makeQueues({ queues, drains, limits, logger, now })
  return Object.assign(memory(), retained, subscriptions, lines, incoming, {
    expect: (id: string) => void drains.set(id, new Drain()),
    isDraining: (id: string) => drains.has(id),
    async forget(id: string) {
      lines.dropQueue(id)
      drains.delete(id)
      await subscriptions.cleanSubscriptions({ id })
      await incoming.cleanIncoming({ id })
    },
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

interface QueuesParts {
  readonly queues: Map<string, Queue>
  readonly drains: Map<string, Drain>
  readonly limits: QueueLimits
  readonly logger: Logger
  readonly now: Clock
}

/** Counts what is in the queues, and says whether there is room for more. */
function makeScales(limits: QueueLimits, logger: Logger) {
  let bytesInAll = 0
  let wasFull = false
  const weigh = (queue: Queue, bytes: number) => {
    queue.bytes += bytes
    bytesInAll += bytes
  }
  return {
    weigh,
    /** Takes out what is over, if it was never sent [MQTT5-3.3.2-5, MQTT5-4.3.3-7]. */
    sweep(queue: Queue, now: number) {
      if (queue.nextExpiry > now) return
      const isOver = (it: QueuedPacket) => it.messageId === undefined && expiryOf(it) <= now
      const left = queue.packets.filter((packet) => !isOver(packet))
      queue.packets.splice(0, queue.packets.length, ...left)
      weigh(queue, left.reduce((bytes, packet) => bytes + bytesOf(packet), 0) - queue.bytes)
      queue.nextExpiry = Math.min(...left.map(expiryOf))
    },
    isFull: (queue: Queue, packet: QueuedPacket) =>
      queue.packets.length >= limits.messagesMax || queue.bytes + bytesOf(packet) > limits.bytesMax,
    /** Told once, until there is room again. */
    isFullInAll(packet: QueuedPacket) {
      const isFull = bytesInAll + bytesOf(packet) > limits.bytesInAllMax
      if (isFull && !wasFull) logger.warn({ bytesInAll }, 'no room for what waits for devices')
      wasFull = isFull
      return isFull
    },
  }
}

function makeQueues({ queues, drains, limits, logger, now }: QueuesParts): Queues {
  const { weigh, sweep, isFull, isFullInAll } = makeScales(limits, logger)

  const push = (clientId: string, packet: QueuedPacket) => {
    const queue = queues.get(clientId) ?? { packets: [], bytes: 0, nextExpiry: never }
    if (isFull(queue, packet) && !drains.has(clientId)) sweep(queue, now())
    if (isFull(queue, packet) || isFullInAll(packet)) return
    queues.set(clientId, queue)
    queue.packets.push(packet)
    weigh(queue, bytesOf(packet))
    queue.nextExpiry = Math.min(queue.nextExpiry, expiryOf(packet))
  }

  const enqueue = ({ clientId, qos }: Subscriber, packet: QueuedPacket) =>
    push(clientId, {
      ...packet,
      qos: Math.min(qos, packet.qos) as Qos,
      // It comes by a subscription that was there before [MQTT-3.3.1-9].
      retain: false,
      messageId: undefined,
    })

  /** Takes out the packet that is meant, and puts others in its place. */
  const replace = (
    id: string,
    isMeant: (queued: QueuedPacket) => boolean,
    by: readonly QueuedPacket[],
  ) => {
    const queue = queues.get(id)
    const index = queue?.packets.findIndex(isMeant) ?? -1
    if (queue === undefined || index < 0) return undefined
    const [before] = queue.packets.splice(index, 1, ...by) as [QueuedPacket]
    drains.get(id)?.replaced(before, by)
    weigh(
      queue,
      by.reduce((bytes, packet) => bytes + bytesOf(packet), -bytesOf(before)),
    )
    if (queue.packets.length === 0) queues.delete(id)
    return before
  }

  async function* drain(id: string): AsyncGenerator<QueuedPacket> {
    const drained = drains.get(id) ?? new Drain()
    if (queues.has(id)) drains.set(id, drained)
    try {
      for (;;) {
        const fresh = drained.freshOf(queues.get(id)?.packets ?? [])
        yield* fresh
        if (fresh.length > 0) continue
        // In the same turn: what comes next finds either the drain or nothing before it.
        if (drained.isOver()) break
        await drained.progress()
      }
    } finally {
      if (drains.get(id) === drained) drains.delete(id)
    }
  }

  return {
    async outgoingEnqueueCombi(subscriptions, packet) {
      const each = oneForEach(subscriptions, packet.clientId)
      for (const subscription of each) enqueue(subscription, packet)
    },
    /** A message is sent with a packet id, or replaced by its PUBREL. One that found no room in the
     * queue is sent all the same. */
    async outgoingUpdate({ id }, packet) {
      const { messageId } = packet
      if (packet.cmd === 'pubrel') replace(id, (it) => it.messageId === messageId, [packet])
      const queued = queues.get(id)?.packets.findLast((it) => isSameMessage(it, packet))
      if (queued === undefined) return
      queued.messageId = messageId
      drains.get(id)?.replaced(queued, [])
    },
    /** A message is acknowledged, or, without a packet id, is not for the client: unless its queue
     * is being sent, and comes to it. */
    async outgoingClearMessageId({ id }, packet) {
      const { messageId } = packet
      if (messageId !== undefined) return replace(id, (it) => it.messageId === messageId, [])
      if (drains.has(id)) return undefined
      return replace(id, (it) => it.messageId === undefined && isSameMessage(it, packet), [])
    },
    outgoingStream: ({ id }) => Readable.from(drain(id)),
    unanswered: (id) => (queues.get(id)?.packets ?? []).flatMap(({ messageId }) => messageId ?? []),
    keepSent({ id }, packet) {
      const kept = { ...packet }
      drains.get(id)?.sent(kept)
      push(id, kept)
    },
    dropQueue(id) {
      const queue = queues.get(id)
      if (queue !== undefined) weigh(queue, -queue.bytes)
      queues.delete(id)
    },
  }
}

/** A queue on its way to a client that has come back. */
class Drain {
  readonly #seen = new Set<QueuedPacket>()
  /** Handed out, and not sent yet. */
  readonly #underWay = new Set<QueuedPacket>()
  #wake: () => void = () => {}

  /** Those that were not handed out yet, which they are now. */
  freshOf(packets: readonly QueuedPacket[]): QueuedPacket[] {
    const fresh = packets.filter((packet) => !this.#seen.has(packet))
    for (const packet of fresh) {
      // What has a packet id was sent before [MQTT-3.3.1-1].
      packet.dup = isMessage(packet) && packet.messageId !== undefined
      this.#seen.add(packet)
      this.#underWay.add(packet)
    }
    return fresh
  }

  /** A packet was sent, or has gone; what takes its place is sent by others. */
  replaced(packet: QueuedPacket, by: readonly QueuedPacket[]): void {
    for (const successor of by) this.#seen.add(successor)
    if (this.#underWay.delete(packet)) this.#wake()
  }

  /** A packet joins the queue that is sent already. */
  sent(packet: QueuedPacket): void {
    this.#seen.add(packet)
  }

  isOver(): boolean {
    return this.#underWay.size === 0
  }

  /** Resolves when another packet was sent. */
  progress(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

const never = Number.POSITIVE_INFINITY

function expiryOf({ messageExpiry = never }: QueuedPacket): number {
  return messageExpiry
}

/** What a packet in a queue takes beside payload and topic, about: 86 were measured for the
 * smallest (2026-11-22). */
const packetBytes = 128

function bytesOf({ payload, topic }: QueuedPacket): number {
  return packetBytes + (payload?.length ?? 0) + (topic?.length ?? 0)
}

function isMessage({ cmd }: Partial<QueuedPacket>): boolean {
  return cmd === 'publish'
}

function isSameMessage(a: QueuedPacket, b: Partial<QueuedPacket>): boolean {
  return isMessage(a) && a.brokerCounter === b.brokerCounter && a.brokerId === b.brokerId
}
