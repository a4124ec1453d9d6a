// The plain lane of a broker in a cluster, over Redis, and devices that are introduced to it.

import mqtt, { type IPublishPacket, type Packet } from 'mqtt-packet'
import type { Introduction, PlainClient } from '../../../../broker/plain/client.ts'
import { makePlainLane, type PlainLane } from '../../../../broker/plain/lane.ts'
import { writeNoted } from '../../../../broker/plain/note.ts'
import { makePlainBus } from '../../../../plugins/aedes-persistence-redis/plain-bus.ts'
import { makeRedisPlainPersistence } from '../../../../plugins/aedes-persistence-redis/redis.ts'
import { connectRedis } from '../../../../plugins/redis/connect.ts'
import type { Logger } from '../../../../protocol/logger.ts'
import type { Subscription } from '../../../../services/delivery/ports.ts'

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

const limits = {
  messagesMax: 2000,
  bytesMax: 1_000_000,
  bytesInAllMax: 10_000_000,
  retainedMax: 100,
  retainedBytesMax: 100_000,
}
const ignore = () => {}
const quiet: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

interface Options {
  readonly heartbeatMs?: number
  readonly logger?: Logger
}

/** Starts a lane as a broker has it. */
export async function makePlainBroker(
  t: Owner,
  url: string,
  { heartbeatMs = 100, logger = quiet }: Options = {},
): Promise<PlainLane> {
  const redis = connectRedis(url, { use: 'commands', name: 'plain', logger })
  const subscriptions = connectRedis(url, { use: 'subscriptions', name: 'plain-bus', logger })
  const lane = await makePlainLane({
    persistence: makeRedisPlainPersistence({ redis, limits, logger }),
    bus: makePlainBus({ commands: redis, subscriptions, logger }),
    logger,
    clock: Date.now,
    unsentBytesMax: 100_000,
    heartbeatMs,
  })
  t.teardown(async () => {
    await lane.close()
    redis.disconnect()
    subscriptions.disconnect()
  })
  return lane
}

export interface PlainDevice {
  readonly plain: PlainClient
  /** What came, with the payload as it was published. */
  readonly packets: Packet[]
  texts(): string[]
  readonly isCut: () => boolean
  publish(topic: string, text: string, more?: Partial<IPublishPacket>): void
  subscribe(...subscriptions: Subscription[]): Promise<void>
  answer(cmd: 'puback' | 'pubrec' | 'pubcomp', messageId: number): void
  /** Resolves when aedes has let go of it. */
  leave(owesWill?: boolean): Promise<void>
}

let packetId = 0

/** Introduces a device; a durable one unless told otherwise. It answers what it gets. */
export function introduce(
  lane: PlainLane,
  clientId: string,
  more: Partial<Introduction> & { isSilent?: boolean } = {},
): PlainDevice {
  const { isSilent = false, ...introduction } = more
  const packets: Packet[] = []
  let isCut = false
  const parser = mqtt.parser({ protocolVersion: 4 })
  const whole: Introduction = {
    clientId,
    level: 4,
    clean: false,
    startsClean: false,
    lastsMs: 60_000,
    subscriptions: [],
    firstId: 32_769,
    isAlone: false,
    packetBytesMax: Number.POSITIVE_INFINITY,
    quota: undefined,
    mayPublish: () => true,
    maySubscribe: () => true,
    ...introduction,
  }
  const end = () => {
    isCut = true
    plain.leave(true)
  }
  const plain = lane.introduce(whole, {
    write: (packet) => parser.parse(packet),
    closed: () => {
      isCut = true
    },
    takenOver: end,
    wanted: ignore,
    unsentBytes: () => 0,
    cut: end,
  })
  const answer = (cmd: 'puback' | 'pubrec' | 'pubcomp', messageId: number) =>
    void plain.give(mqtt.generate({ cmd, messageId }))
  parser.on('packet', (packet) => {
    packets.push(packet)
    if (isSilent) return
    const { messageId = 0 } = packet
    if (packet.cmd === 'publish' && packet.qos === 1) answer('puback', messageId)
    if (packet.cmd === 'publish' && packet.qos === 2) answer('pubrec', messageId)
    if (packet.cmd === 'pubrel') answer('pubcomp', messageId)
    if (packet.cmd === 'pubrec') plain.give(mqtt.generate({ cmd: 'pubrel', messageId }))
  })
  return {
    plain,
    packets,
    texts: () =>
      packets.flatMap((packet) => (packet.cmd === 'publish' ? [`${packet.payload}`] : [])),
    isCut: () => isCut,
    publish(topic, text, { qos = 1, retain = false } = {}) {
      const payload = Buffer.from(text)
      const properties = {}
      packetId = (packetId % 30_000) + 1
      plain.give(writeNoted({ topic, qos, packetId, dup: false, retain, payload, properties }))
    },
    async subscribe(...subscriptions) {
      const requests = subscriptions.map((it) => ({ ...it, wantsRetained: true }))
      await plain.subscribe(++packetId, requests)
    },
    answer,
    async leave(owesWill = false) {
      plain.leave(owesWill)
      await plain.gone
    },
  }
}
