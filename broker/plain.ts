// The plain lane: aedes, and the devices that are known to it. A device is introduced only when it
// needs aedes, because a client costs aedes more memory than a chat session costs the engine.

import type { EventEmitter } from 'node:events'
import type { AedesPublishPacket, Client } from 'aedes'
import { Aedes } from 'aedes'
import type { Logger } from '../protocol/logger.ts'
import { makeLocks } from '../services/delivery/locks.ts'
import { deliverOnceAtHighestQos, numberBy, retainAtOnce } from './plain-adaptation.ts'
import type { Introduction, PlainLink } from './plain-client.ts'
import { PlainClient } from './plain-client.ts'

interface ClientRef {
  readonly id: string
}

interface TopicSubscription {
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

/** What the lane itself asks of aedes' persistence. */
export interface PlainPersistence {
  /** The subscriptions of a durable client. */
  subscriptionsByClient(client: ClientRef): Promise<readonly TopicSubscription[]>
  addSubscriptions(client: ClientRef, subscriptions: readonly TopicSubscription[]): Promise<void>
  removeSubscriptions(client: ClientRef, topics: readonly string[]): Promise<void>
  /** A durable client is about to ask for its queue. */
  expect(clientId: string): void
  /** Whether the queue of a client is being sent: what is new joins it. */
  isDraining(clientId: string): boolean
  /** Packet ids of what was sent to a client and is not answered. */
  unanswered(clientId: string): readonly number[]
  /** Keeps a message that is being sent with its packet id, until it is answered. */
  keepSent(client: ClientRef, packet: AedesPublishPacket): void
  /** Done when it returns. */
  storeRetained(packet: AedesPublishPacket): Promise<void>
  /** Forgets everything of a client that is not connected. */
  forget(clientId: string): Promise<void>
}

interface PlainLaneParts {
  readonly persistence: PlainPersistence
  readonly logger: Logger
  /** What a device may leave untaken, bytes. */
  readonly unsentBytesMax: number
}

export interface PlainLane {
  /** Makes the device known to aedes, in place of a connection of the same client id. */
  introduce(introduction: Introduction, link: PlainLink): PlainClient
  /** Whether aedes may hold something of a durable client that is away: half-finished QoS 2,
   * messages that wait. */
  remembers(clientId: string): boolean
  /** Makes aedes forget a client that is away or about to leave [MQTT-3.1.2-6]. */
  forget(clientId: string): Promise<void>
  /** The session of a device that stayed away has ended: makes aedes forget it, unless it is back
   * already. */
  expired(clientId: string): void
  /** How many clients aedes has. */
  clients(): number
  /** Closes aedes, when all clients have left. */
  close(): Promise<void>
}

export async function makePlainLane(parts: PlainLaneParts): Promise<PlainLane> {
  const { persistence, logger, unsentBytesMax } = parts
  const known = new WeakMap<Client, PlainClient>()
  const aedes = await makeAedes(parts, known)
  const present = new Map<string, PlainClient>()
  /** Durable clients, with the next packet id of each: ids go on where the last connection left,
   * because messages of it may wait with theirs. Costs less than what aedes keeps of them. */
  const remembered = new Map<string, number>()
  const withLock = makeLocks()

  /** Lasts as long as aedes has the client. */
  const attend = async (plain: PlainClient): Promise<void> => {
    const { clientId, clean, isAlone, firstId } = plain.introduction
    const nextId = remembered.get(clientId)
    if (!clean) {
      plain.isPresent = nextId !== undefined
      plain.ids.goOn(nextId ?? firstId, persistence.unanswered(clientId))
      remembered.set(clientId, plain.ids.next())
      if (!isAlone) await reconcile(persistence, plain.introduction)
      persistence.expect(clientId)
    } else if (remembered.delete(clientId)) {
      await persistence.forget(clientId)
    }
    const client = aedes.handle(plain.stream)
    known.set(client, plain)
    numberBy(client, plain.ids)
    deliverOnceAtHighestQos(client, plain, persistence.keepSent)
    plain.connect()
    await plain.gone
    if (!clean) remembered.set(clientId, plain.ids.next())
  }

  const forget = async (clientId: string): Promise<void> => {
    if (!remembered.has(clientId)) return
    await withLock(clientId, async () => {
      remembered.delete(clientId)
      await persistence.forget(clientId)
    })
  }

  aedes.on('connackSent', (_packet, client) => known.get(client)?.connected())
  aedes.on('clientDisconnect', (client) => known.get(client)?.left())

  return {
    introduce(introduction, link) {
      const { clientId } = introduction
      present.get(clientId)?.link.takenOver()
      const isDraining = () => persistence.isDraining(clientId)
      const plain = new PlainClient(introduction, link, { unsentBytesMax, isDraining })
      present.set(clientId, plain)
      // aedes mistakes one client for the other when two of the same id come and go at once.
      withLock(clientId, () => attend(plain))
        .catch((err: unknown) => {
          logger.error({ err }, 'a client could not be introduced to aedes')
          plain.stream.destroy()
        })
        .finally(() => {
          if (present.get(clientId) === plain) present.delete(clientId)
        })
      return plain
    },
    remembers: (clientId) => remembered.has(clientId),
    forget,
    expired(clientId) {
      if (present.has(clientId)) return
      forget(clientId).catch((err: unknown) => {
        logger.error({ err }, 'aedes could not forget a device that stayed away')
      })
    },
    clients: () => aedes.connectedClients,
    close: () => new Promise((resolve) => aedes.close(() => resolve())),
  }
}

/** Makes the subscriptions aedes keeps for a device those the device is known to have. They differ
 * after a restart, or when a connection ended before aedes was told of a change. */
async function reconcile(persistence: PlainPersistence, introduction: Introduction): Promise<void> {
  const client = { id: introduction.clientId }
  const known = introduction.subscriptions.map(({ filter, qos }) => ({ topic: filter, qos }))
  const topics = new Set(known.map(({ topic }) => topic))
  const kept = (await persistence.subscriptionsByClient(client)).map(({ topic }) => topic)
  await persistence.removeSubscriptions(
    client,
    kept.filter((topic) => !topics.has(topic)),
  )
  if (known.length > 0) await persistence.addSubscriptions(client, known)
}

/** aedes, which asks once more whether what reaches it is allowed: a message of a client is for a
 * topic its grants cover, and only to who may subscribe to that. */
async function makeAedes(
  { persistence, logger }: PlainLaneParts,
  known: WeakMap<Client, PlainClient>,
): Promise<Aedes> {
  const aedes = await Aedes.createBroker({
    persistence,
    // Messages wait for nobody: a reader who is too slow is cut.
    concurrency: 0,
    drainTimeout: 0,
    authorizePublish(client, packet, done) {
      const may = client !== null && known.get(client)?.introduction.mayPublish(packet.topic)
      // DUP speaks of one hop only [MQTT-3.3.1-3].
      packet.dup = false
      done(may ? null : new Error('a publish that is not granted'))
    },
    authorizeSubscribe(client, subscription, done) {
      const plain = known.get(client)
      if (!plain?.introduction.maySubscribe(subscription.topic)) return done(null, null)
      plain.granted.set(subscription.topic, subscription.qos)
      done(null, { ...subscription, qos: 2 })
    },
    authorizeForward: (client, packet) => {
      const plain = known.get(client)
      return plain && mayForward(plain, packet, persistence) ? packet : null
    },
  })
  aedes.on('unsubscribe', (filters, client) => {
    for (const filter of filters) known.get(client)?.granted.delete(filter)
  })
  retainAtOnce(aedes, (packet) => void persistence.storeRetained(packet))
  // The types of aedes leave out the event that matters most.
  const emitter: EventEmitter = aedes
  emitter.on('error', (err: Error) => logger.error({ err }, 'aedes failed'))
  return aedes
}

/** Whether a message goes to a client now. */
function mayForward(
  plain: PlainClient,
  { topic, qos, retain, messageId }: AedesPublishPacket,
  persistence: PlainPersistence,
): boolean {
  const { introduction, ids } = plain
  if (!introduction.maySubscribe(topic)) {
    if (messageId !== undefined) ids.release(messageId)
    return false
  }
  // What waited for the client has a packet id already. It comes one after the other, as fast as
  // it is read, and so do retained messages.
  if (messageId !== undefined) return true
  if (qos > 0 && persistence.isDraining(introduction.clientId)) return false
  return retain ? plain.hasIdFor(qos) : plain.hasIdFor(qos) && plain.hasRoomFor(qos)
}
