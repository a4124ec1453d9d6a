// aedes, made to do what it does otherwise, and to carry what it does not know: options of
// subscriptions, and what MQTT 5 says of a message. It asks once more whether what reaches it is
// allowed: a message of a client is for a topic its grants cover, and only to who may hear of that.

import type { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import type { Client } from 'aedes'
import { Aedes } from 'aedes'
import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import { keepRetain, retainAtOnce } from './adaptation.ts'
import type { PlainClient } from './client.ts'
import { makeForward } from './forward.ts'
import { beginLife, noteWill, readNote, withIdentifier } from './note.ts'
import type { Forwarded, PlainBus, PlainPersistence } from './ports.ts'
import { joinOthers } from './spread.ts'

interface AedesParts {
  readonly persistence: PlainPersistence
  readonly logger: Logger
  readonly clock: Clock
  /** Where other brokers are told and heard, if there are any. */
  readonly bus?: PlainBus | undefined
  /** How often a broker says that it lives, ms: when others have missed that for three times, they
   * publish its wills, after seven to eleven times this. */
  readonly heartbeatMs?: number | undefined
  /** Messages of other brokers may have been lost. */
  missed?(): void
}

const noPayload = Buffer.alloc(0)

/** Makes aedes for the clients that `known` knows by then. */
export async function makeAedes(
  { persistence, logger, clock, bus, heartbeatMs = 2000, missed = ignore }: AedesParts,
  known: WeakMap<Client, PlainClient>,
): Promise<Aedes> {
  const forward = makeForward({ now: clock, isDraining: persistence.isDraining })
  const aedes = new Aedes({
    persistence,
    ...(bus === undefined ? {} : { heartbeatInterval: heartbeatMs }),
    // Messages wait for nobody: a reader who is too slow is cut.
    concurrency: 0,
    drainTimeout: 0,
    preConnect(client, packet, done) {
      // A payload with its note may be longer than a CONNECT could say.
      const plain = known.get(client as Client)
      const { will } = plain?.introduction ?? {}
      if (will !== undefined) {
        packet.will = Object.assign(noteWill(will), { delayMs: plain?.willDelayMs() })
      }
      done(null, true)
    },
    authorizePublish(client, packet, done) {
      // Without a client it is the will of a broker that died: it was granted there.
      const may = client === null || known.get(client)?.introduction.mayPublish(packet.topic)
      const clientId = client?.id ?? (packet as Forwarded).clientId
      if (clientId !== undefined) prepare(packet, clientId, clock())
      done(may ? null : new Error('a publish that is not granted'))
    },
    authorizeSubscribe(client, subscription, done) {
      const plain = known.get(client)
      if (!plain?.introduction.maySubscribe(subscription.topic)) return done(null, null)
      plain.subscribing(subscription)
      done(null, { ...subscription, qos: 2 })
    },
    authorizeForward(client, packet) {
      const plain = known.get(client)
      const forwarded = plain && forward(plain, client, packet)
      // The id of what is not sent after all is free.
      if (!forwarded && packet.messageId !== undefined) plain?.ids.release(packet.messageId)
      return forwarded ?? null
    },
  })
  if (bus !== undefined) joinOthers(aedes, bus, missed)
  await aedes.listen()
  sendRetainedAsAsked(aedes, persistence, known)
  keepOptions(persistence, known)
  keepPace(persistence, known)
  keepRetain(persistence)
  aedes.on('unsubscribe', (filters, client) => {
    for (const filter of filters) known.get(client)?.granted.delete(filter)
  })
  retainAtOnce(aedes, (packet) => {
    const isEmpty = readNote(packet.payload as Buffer).payload.length === 0
    void persistence.storeRetained(isEmpty ? { ...packet, payload: noPayload } : packet)
  })
  // The types of aedes leave out the event that matters most.
  const emitter: EventEmitter = aedes
  emitter.on('error', (err: Error) => logger.error({ err }, 'aedes failed'))
  for (const event of ['clientError', 'connectionError']) emitter.on(event, forgetStack)
  return aedes
}

/** Prepares a message for its way through aedes, when it is published. */
export function prepare(
  packet: Pick<Forwarded, 'clientId' | 'payload' | 'dup'> & { messageExpiry?: number },
  clientId: string,
  now: number,
): void {
  // DUP speaks of one hop only [MQTT-3.3.1-3].
  packet.dup = false
  packet.clientId = clientId
  const expiry = beginLife(packet.payload as Buffer, now)
  if (expiry !== undefined) packet.messageExpiry = expiry
}

/** Sends the retained messages that a SUBSCRIBE wants, each by the filter that asks for it. aedes
 * looks for them right after it has told who subscribes. */
function sendRetainedAsAsked(
  aedes: Aedes,
  persistence: PlainPersistence,
  known: WeakMap<Client, PlainClient>,
): void {
  let subscriber: PlainClient | undefined
  aedes.on('subscribe', (_subscriptions, client) => {
    subscriber = known.get(client)
  })
  const find = persistence.createRetainedStreamCombi.bind(persistence)
  persistence.createRetainedStreamCombi = (filters) => {
    const plain = subscriber
    if (plain === undefined) return find(filters)
    // At once: another SUBSCRIBE may come before the messages are sent.
    const wanted = filters.filter((filter) => plain.wantsRetained(filter))
    return oneByOne(retainedFor(plain, wanted, find))
  }
}

async function* retainedFor(
  plain: PlainClient,
  filters: readonly string[],
  find: (filters: readonly string[]) => Readable,
): AsyncGenerator<Forwarded> {
  for (const filter of filters) {
    const { noLocal, identifier } = plain.granted.optionsOf(filter) ?? {}
    for await (const packet of find([filter]) as AsyncIterable<Forwarded>) {
      if (noLocal && packet.clientId === plain.introduction.clientId) continue
      if (packet.qos > 0) await plain.room()
      if (identifier === undefined) yield packet
      else yield { ...packet, payload: withIdentifier(packet.payload as Buffer, identifier) }
    }
  }
}

/** Makes the options of subscriptions be kept with them. */
function keepOptions(persistence: PlainPersistence, known: WeakMap<object, PlainClient>): void {
  const add = persistence.addSubscriptions.bind(persistence)
  persistence.addSubscriptions = (client, subscriptions) =>
    add(client, known.get(client)?.kept(subscriptions) ?? subscriptions)
}

/** Makes the queue of a client come as fast as the client answers. */
function keepPace(persistence: PlainPersistence, known: WeakMap<object, PlainClient>): void {
  const find = persistence.outgoingStream.bind(persistence)
  persistence.outgoingStream = (client) => {
    const plain = known.get(client)
    return plain === undefined ? find(client) : oneByOne(paced(plain, find(client)))
  }
}

async function* paced(plain: PlainClient, queue: AsyncIterable<Forwarded>) {
  for await (const packet of queue) {
    await plain.room()
    yield packet
  }
}

/** A stream that does not run ahead. */
function oneByOne(packets: AsyncGenerator<Forwarded>): Readable {
  return Readable.from(packets, { highWaterMark: 1 })
}

/** Each message on its way to a client that has gone costs aedes an error. V8 keeps with it what
 * ran when it was made, and that keeps the error before: a chain that has no end under load (2 KB a
 * packet, 2026-11), unless the stack is replaced. */
function forgetStack(_client: unknown, error: Error): void {
  error.stack = error.message
}

function ignore(): void {}
