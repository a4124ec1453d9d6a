// The clients of a chaos run: each user has a publisher and a durable device, which come back by
// themselves, through HAProxy, however they lost their connection. Devices also leave at times.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Owner } from '../../support/engine-process.ts'
import type { SeenEntry } from '../checker.ts'
import { type Device, makeDevice } from '../device.ts'
import { type ExactPublisher, makeExactPublisher } from '../exact-publisher.ts'
import { makePublisher, type Publisher } from '../publisher.ts'
import type { WireClient } from '../wire-client.ts'
import { inParallel, type Person } from './people.ts'
import type { Participants } from './verdict.ts'

export interface Crowd extends Participants {
  /** What no client may see, as far as it is seen while it happens. */
  readonly problems: readonly string[]
  /** From now on so many messages are made each second, each by somebody, to one of his groups or
   * peers. Returns what ends it. */
  publishAtRate(perSecond: number): () => void
  /** From now on no device leaves by itself. */
  stay(): void
}

export interface CrowdOptions {
  readonly people: readonly Person[]
  readonly random: () => number
  /** Where clients connect. */
  readonly port: number
  readonly calm: Calm
}

type Client = Pick<Device | Publisher | ExactPublisher, 'connect' | 'client'>

/** Since when nothing has been wrong, as `Date.now()` has it; `Infinity` while something is. */
export interface Calm {
  /** With what brings acknowledgements into the store while their connection lasts. */
  withStore(): number
  /** With anything that could keep them from it. */
  withAll(): number
}

/** What brokers of the cluster must be given as `--cursor-flush-ms`. */
export const cursorFlushMs = 500
/** What a flush may take, on a machine that has much to do. */
const flushSlackMs = 1500

/** How many messages at QoS 2 there are for each at QoS 1. */
const exactShare = 0.2

/** Subscribes all devices, and resolves when all clients have begun to live. */
export async function gatherCrowd(t: Owner, options: CrowdOptions): Promise<Crowd> {
  const { people, random, port } = options
  const ledger = new Map<string, SeenEntry>()
  const problems: string[] = []
  const state = { isOver: false, mayLeave: true }
  t.teardown(() => {
    state.isOver = true
  })
  const devices = await inParallel(people, async (person) => {
    // Some acknowledge late, and lose with their connection what they had not kept.
    const keepEvery = random() < 0.3 ? 20 : 1
    const device = makeDevice(t, { ...person, name: 'phone', ledger, keepEvery })
    const client = await device.connect(port)
    await client.subscribe([`u/${person.user}/msg`, `u/${person.user}/error`, 'g/+/msg'])
    await client.disconnect()
    return device
  })
  const publishers = people.map((person) => makePublisher(t, { ...person, inFlightMax: 8 }))
  const exactPublishers = people.flatMap((person, index) => {
    const { user, exactTopic: topic } = person
    if (topic === undefined) return []
    const textOf = (n: number) => `message ${n} of ${user} at QoS 2`
    const setsDup = index % 2 === 0
    return [makeExactPublisher(t, { ...person, topic, textOf, setsDup, inFlightMax: 4 })]
  })

  const live = async (it: Client, connected: (client: WireClient) => Promise<void>) => {
    while (!state.isOver) {
      const client = await it.connect(port).then(
        () => it.client() as WireClient,
        () => undefined,
      )
      if (client !== undefined) await Promise.all([client.closed, connected(client)])
      await sleep(20 + random() * 200)
    }
  }
  const mayLeave = () => state.mayLeave && !state.isOver
  for (const device of devices) {
    void live(device, async (client) => {
      if (!client.sessionPresent) problems.push(`${device.stream.device} lost its session`)
      await Promise.all([
        watchFlushes(device, client, options.calm),
        leave(device, client, { ...options, mayLeave }),
      ])
    })
  }
  for (const publisher of [...publishers, ...exactPublishers]) void live(publisher, async () => {})
  const publish = () => {
    const index = Math.floor(random() * people.length)
    const topics = people[index]?.topics ?? []
    publishers[index]?.publish(topics[Math.floor(random() * topics.length)] as string)
    if (random() < exactShare)
      exactPublishers[Math.floor(random() * exactPublishers.length)]?.publish()
  }
  return {
    people,
    publishers,
    exactPublishers,
    devices,
    problems,
    publishAtRate: (perSecond) => repeat(publish, perSecond),
    stay() {
      state.mayLeave = false
    },
  }
}

function repeat(work: () => void, perSecond: number): () => void {
  const begin = Date.now()
  let done = 0
  const timer = setInterval(() => {
    const due = ((Date.now() - begin) * perSecond) / 1000
    for (; done < due; done++) work()
  }, 20)
  return () => clearInterval(timer)
}

/** Notes which acknowledgements must be in the store: the broker has them, as it answered a ping
 * sent after them, and since then nothing was wrong for as long as a flush may take. */
async function watchFlushes(device: Device, client: WireClient, calm: Calm): Promise<void> {
  while (client.isOpen()) {
    const positions = device.acknowledged()
    const isAnswered = await client.ping().then(
      () => true,
      () => false,
    )
    const since = Date.now()
    const isFlushed = () =>
      Date.now() > Math.max(since, calm.withStore()) + cursorFlushMs + flushSlackMs
    while (client.isOpen() && !isFlushed()) await sleep(100)
    if (isAnswered && client.isOpen()) device.flushed(positions)
  }
}

interface Leaving extends CrowdOptions {
  readonly mayLeave: () => boolean
}

/** Leaves some time, mostly in good order, and stays away for a while. */
async function leave(device: Device, client: WireClient, options: Leaving): Promise<void> {
  const { random, calm, mayLeave } = options
  const leavesAt = Date.now() + 3000 + random() * 25_000
  while (client.isOpen() && mayLeave() && Date.now() < leavesAt) await sleep(100)
  if (!client.isOpen() || !mayLeave()) return
  const isGraceful = random() < 0.7
  const positions = device.acknowledged()
  if (isGraceful) await client.ping().catch(() => {})
  const wasOpen = client.isOpen()
  if (isGraceful) await client.disconnect()
  else client.cut()
  const since = Date.now()
  const awayMs = random() < 0.3 ? 0 : random() * 4000
  while (mayLeave() && Date.now() < since + awayMs) await sleep(50)
  const isFlushed = calm.withAll() < since && Date.now() > since + flushSlackMs
  if (isGraceful && wasOpen && isFlushed) device.flushed(positions)
}
