// A broker over memory ports and a scripted log store, and clients that speak in raw packets, for
// the tests of what a connection does with the bytes it reads.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import mqtt from 'mqtt-packet'
import { type Broker, type BrokerParts, makeBroker } from '../../../broker/broker.ts'
import type { BrokerLimits } from '../../../broker/context.ts'
import type { PlainPersistence } from '../../../plugins/aedes-persistence/memory.ts'
import { makePlainPersistence } from '../../../plugins/aedes-persistence/memory.ts'
import { Refusal } from '../../../protocol/errors.ts'
import { noGrants } from '../../../protocol/grants.ts'
import { makePlainAccess } from '../../../services/access/plain-topics.ts'
import { makeRoutes } from '../../../services/access/routes.ts'
import { makeConversations } from '../../../services/conversations/conversations.ts'
import { makeLog } from '../../../services/log/log.ts'
import type { LogStore } from '../../../services/log/ports.ts'
import { makeReleases } from '../../../services/log/releases.ts'
import { makeQuietLogger, makeWorld, type World } from '../../services/delivery/support/devices.ts'
import { portsOf } from '../../services/delivery/support/memory-ports.ts'
import { noAddressLimits } from '../../support/no-address-limits.ts'
import { noReceipts } from '../../support/no-receipts.ts'
import { until } from '../../support/until.ts'

const queueLimits = { messagesMax: 100, bytesMax: 100_000, bytesInAllMax: 10_000_000 }

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

export interface BenchBroker {
  readonly broker: Broker
  readonly world: World
  readonly port: number
  /** What aedes keeps. */
  readonly plainPersistence: PlainPersistence
  /** Texts that were stored, in order. */
  readonly stored: string[]
  /** Requests that were handed to the log. */
  readonly asked: () => number
  /** The store waits until `release`. */
  hold(): void
  release(): void
}

const limits: BrokerLimits = {
  payloadBytesMax: 1000,
  packetBytesMax: 4096,
  preConnectBytesMax: 1024,
  connectionsMax: 100,
  keepAliveSecondsMax: 0,
  sessionExpirySeconds: 1000,
  ...noAddressLimits,
  connectTimeoutMs: 5000,
  publishesInFlightMax: 8,
  topicAliasMax: 16,
  stalledTimeoutMs: 30_000,
  windowBytesMax: 262_144,
}

/** Starts a broker; every token is the id of its user, and `x` is no token. */
export async function makeBenchBroker(
  t: Owner,
  more: Partial<BrokerLimits> = {},
  parts: Partial<Pick<BrokerParts, 'plainPersistence' | 'plainBus' | 'identify'>> = {},
): Promise<BenchBroker> {
  const world = makeWorld(t)
  const { memory, engine } = world
  const logger = makeQuietLogger()
  const stored: string[] = []
  let gate: Promise<void> = Promise.resolve()
  let open = () => {}
  let asked = 0
  const logStore: LogStore = {
    ...portsOf(memory).log,
    releasePackets: async () => {},
    unreleasedPackets: async () => [],
    async append(batch, at) {
      await gate
      return batch.map(({ conversation, from, body }) => {
        stored.push((JSON.parse(`{${body.fields}}`) as { text: string }).text)
        return { kind: 'appended', seq: memory.append(conversation, from).seq, at }
      })
    },
  }
  const log = makeLog(
    {
      store: logStore,
      clock: () => 0,
      logger,
      announce: engine.announce,
    },
    { queueMax: 1000, queueBytesMax: 1_000_000, batchMax: 100, gatherMs: 0, waitMs: 10_000 },
  )
  const conversations = makeConversations({
    store: portsOf(memory).conversations,
    announce: (change) => void engine.membershipChanged(change),
    renamed: engine.renamed,
    random: () => Buffer.alloc(12),
  })
  const plainPersistence = makePlainPersistence(
    { ...queueLimits, retainedMax: 100, retainedBytesMax: 100_000 },
    logger,
  )
  const broker = await makeBroker({
    engine,
    log: {
      ...log,
      append(request) {
        asked++
        log.append(request)
      },
    },
    releases: makeReleases({ store: logStore, attempt: log.attempt, logger }),
    routes: makeRoutes({ engine, conversations, attempt: log.attempt }),
    receipts: noReceipts,
    identify: async (token) => {
      if (token === 'x') throw new Refusal('invalid-token')
      return { user: token, expiresAt: Number.POSITIVE_INFINITY, topics: noGrants }
    },
    certify: () => Promise.reject(new Refusal('not-authorized')),
    logger,
    limits: { ...limits, ...more },
    clock: () => 0,
    randomId: () => 'random',
    random: Math.random,
    isTrusted: false,
    plainAccess: makePlainAccess(['t/open']),
    plainPersistence,
    ...parts,
  })
  const port = await broker.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    open()
    await broker.close(1000)
  })
  return {
    broker,
    world,
    port,
    plainPersistence,
    stored,
    asked: () => asked,
    hold() {
      gate = new Promise((resolve) => {
        open = resolve
      })
    },
    release: () => open(),
  }
}

export interface RawClient {
  readonly socket: Socket
  readonly packets: mqtt.Packet[]
  send(...packets: (mqtt.Packet | Buffer)[]): void
  /** Waits for a packet of the kind and returns all of that kind. */
  got(cmd: mqtt.Packet['cmd'], count?: number): Promise<mqtt.Packet[]>
  readonly isClosed: () => boolean
}

/** Opens a connection that has sent nothing yet. */
export async function openRaw(t: Owner, port: number): Promise<RawClient> {
  const socket = connect({ host: '127.0.0.1', port })
  const parser = mqtt.parser({ protocolVersion: 4 })
  const packets: mqtt.Packet[] = []
  let isClosed = false
  parser.on('packet', (packet) => packets.push(packet))
  socket.on('data', (chunk) => parser.parse(chunk))
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  t.teardown(() => void socket.destroy())
  await once(socket, 'connect')
  const of = (cmd: string) => packets.filter((packet) => packet.cmd === cmd)
  return {
    socket,
    packets,
    send(...all) {
      const bytes = all.map((it) => (Buffer.isBuffer(it) ? it : mqtt.generate(it)))
      socket.write(Buffer.concat(bytes))
    },
    async got(cmd, count = 1) {
      await until(`${count} ${cmd}`, () => of(cmd).length >= count, 5000)
      return of(cmd)
    },
    isClosed: () => isClosed,
  }
}

export function connectPacket(user: string, more: Partial<mqtt.IConnectPacket> = {}): mqtt.Packet {
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId: 'phone',
    clean: true,
    keepalive: 0,
    username: user,
    password: Buffer.from(user),
    ...more,
  } as mqtt.Packet
}

/** Opens a connection and waits for its CONNACK. */
export async function connectRaw(
  t: Owner,
  port: number,
  user: string,
  more: Partial<mqtt.IConnectPacket> = {},
): Promise<RawClient> {
  const client = await openRaw(t, port)
  client.send(connectPacket(user, more))
  await client.got('connack')
  return client
}

export function publish(topic: string, payload: string, messageId: number): mqtt.Packet {
  return { cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, messageId }
}
