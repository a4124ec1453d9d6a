// From people to machines: how many brokers, Redis, shards and HAProxy so many users need, and what
// each of these is limited by. Arithmetic only; what it rests on is in inputs.ts.

import type { Inputs } from './inputs.ts'

export interface Sizing {
  readonly connections: number
  /** At the peak, a second. */
  readonly messages: number
  readonly deliveries: number
  readonly connects: number
  /** Brokers that hear of a message, on average, besides the one that stored it. */
  readonly hearers: number
  readonly haproxies: number
  /** Broker processes, and what they are limited by. */
  readonly brokers: number
  readonly brokersBy: 'connections' | 'CPU'
  /** Busy cores of all brokers: messages and deliveries, what is heard, connects and catch-up. */
  readonly messageCores: number
  readonly hearCores: number
  readonly connectCores: number
  /** GB of all brokers, the kernel's sockets included. */
  readonly brokerGigabytes: number
  /** Redis for what brokers tell each other, and for positions. */
  readonly busRedis: number
  readonly channelGigabytes: number
  readonly sequencerRedis: number
  readonly counterGigabytes: number
  readonly shards: number
  readonly shardsBy: 'writes' | 'data'
  readonly storedTebibytesPerYear: number
}

const daySeconds = 86_400
const tebibyte = 2 ** 40
/** Of brokers and proxies one more than needed, so that one may be away. */
const spare = 1

/** What so many users need. */
export function sizeFor(users: number, given: Inputs): Sizing {
  const online = given.onlineShare * given.devicesPerUser
  const connections = users * online
  const daily = users * given.messagesPerUserPerDay
  const messages = (daily / daySeconds) * given.peakFactor
  // The devices that get a message: those of peers or members, and the sender's others.
  const directReach = given.presentPeers * given.devicesPerUser + given.devicesPerUser - 1
  const groupReach = given.groupMembers * online
  const reach = (1 - given.groupShare) * directReach + given.groupShare * groupReach
  const deliveries = messages * reach
  const connects = connections / (given.reconnectMinutes * 60)
  const sized = sizeBrokers(
    { connections, messages, deliveries, connects, directReach, groupReach },
    given,
  )
  const writes = messages + deliveries * given.cursorWrites
  const yearly = daily * 365 * given.storedBytes
  const kept = (yearly * given.retentionDays) / 365 / tebibyte
  const byWrites = Math.ceil(writes / (given.insertsPerSecond * given.shardLoadMax))
  const byData = Math.ceil(kept / given.shardTebibytes)
  return {
    ...{ connections, messages, deliveries, connects },
    ...sized,
    ...sizeRedis({ users, connections, messages, connects, hearers: sized.hearers }, given),
    haproxies: Math.ceil(connections / given.connectionsPerHaproxy) + spare,
    shards: Math.max(byWrites, byData),
    shardsBy: byWrites > byData ? 'writes' : 'data',
    storedTebibytesPerYear: yearly / tebibyte,
  }
}

interface Load {
  readonly connections: number
  readonly messages: number
  readonly deliveries: number
  readonly connects: number
  readonly directReach: number
  readonly groupReach: number
}

/** How many hear of a message depends on how many there are: the smallest number that carries what
 * it brings upon itself. */
function sizeBrokers(load: Load, given: Inputs) {
  const byConnections = Math.ceil(load.connections / given.brokerConnectionsMax)
  const fixedMicros =
    load.messages * given.publishMicros +
    load.deliveries * given.deliveryMicros +
    load.connects * connectMicrosOf(given)
  const budget = given.brokerLoadMax * 1e6
  let count = Math.max(1, Math.ceil(fixedMicros / budget))
  const microsAt = (brokers: number) =>
    fixedMicros + load.messages * hearersOf(load, brokers, given) * given.hearMicros
  while (microsAt(count) > count * budget) count++
  const brokers = Math.max(byConnections, count) + spare
  const hearers = hearersOf(load, brokers, given)
  const connectCores = (load.connects * connectMicrosOf(given)) / 1e6
  const conversations = given.conversationsPerUser * given.conversationKibibytes
  const kibibytes = given.sessionKibibytes + conversations + given.socketKibibytes
  return {
    ...{ brokers, hearers, connectCores },
    brokersBy: byConnections >= count ? ('connections' as const) : ('CPU' as const),
    messageCores: fixedMicros / 1e6 - connectCores,
    hearCores: (load.messages * hearers * given.hearMicros) / 1e6,
    brokerGigabytes:
      (load.connections * kibibytes * 1024 + brokers * given.processMebibytes * 2 ** 20) / 1e9,
  }
}

/** What a broker does for one device that connects and catches up. */
export function connectMicrosOf(given: Inputs): number {
  const { connectMicros, conversationsPerUser, openMicros, readsPerConnect, catchUpMicros } = given
  return connectMicros + conversationsPerUser * openMicros + readsPerConnect * catchUpMicros
}

type RedisLoad = Pick<Sizing, 'connections' | 'messages' | 'connects' | 'hearers'> & {
  readonly users: number
}

function sizeRedis({ users, connections, messages, connects, hearers }: RedisLoad, given: Inputs) {
  const { redisLoadMax, redisGigabytes, conversationsPerUser } = given
  // As if no two members of a conversation were connected to one broker.
  const channelGigabytes = (connections * conversationsPerUser * given.channelBytes) / 1e9
  const counterGigabytes = (users * given.activePerUserPerDay * given.counterBytes) / 1e9
  // Parts of a whole Redis: pub/sub, and taking up and giving up channels.
  const told = (messages * (1 + hearers)) / given.pubSubPerSecond
  const listening = (connects * conversationsPerUser * given.listenMicros) / 1e6
  const reserved = messages / given.redisCommandsPerSecond
  const servers = (work: number, gigabytes: number) =>
    Math.max(Math.ceil(work / redisLoadMax), Math.ceil(gigabytes / redisGigabytes))
  return {
    ...{ channelGigabytes, counterGigabytes },
    busRedis: servers(told + listening, channelGigabytes),
    sequencerRedis: servers(reserved, counterGigabytes),
  }
}

/** Devices are anywhere: how many other brokers have one of those that get a message. */
function hearersOf({ directReach, groupReach }: Load, brokers: number, { groupShare }: Inputs) {
  const distinct = (devices: number) => (brokers - 1) * (1 - (1 - 1 / brokers) ** devices)
  return (1 - groupShare) * distinct(directReach) + groupShare * distinct(groupReach)
}
