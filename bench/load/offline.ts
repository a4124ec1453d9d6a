// The mode `offline`, in a worker thread: receivers that have a durable session and are away while
// messages are sent to them, and then come back for what they missed.

import { openClient } from './client.ts'
import { microseconds } from './clock.ts'
import { makePopulation, type Place } from './population.ts'
import { makeReceivers } from './receivers.ts'
import { makeSenders } from './senders.ts'
import type { Work, WorkerTask } from './steps.ts'
import { fill } from './templates.ts'

/** Longest wait for the PUBACKs of one sender. */
const queueMsMax = 60_000
const lookMs = 2

/** Steps: `away`, receivers subscribe and leave; `queue`, senders send all and leave; `drain`,
 * receivers are connected again. */
export function makeOffline({ options, share, run }: WorkerTask): Work {
  const population = makePopulation(options, share, { senders: options.n, members: 1 })
  const receivers = makeReceivers()
  receivers.isMeasuring = true
  const closed = { ...options, rate: 0, qos: 1 }
  const senders = makeSenders(closed, population, { run, senders: options.n })
  const places: readonly Place[] = population.mine.map((i) => ({ i, m: 0 }))

  const openReceiver = ({ i, m }: Place) =>
    openClient({
      ...population.address('receiver', { i, m }),
      clean: false,
      received: receivers.makeReceiver(),
    })

  return {
    steps: {
      away: () =>
        population.forEach(places, async (place) => {
          const client = await openReceiver(place)
          await client.subscribe(fill(options.sub, place.i, place.m), 1)
          client.disconnect()
        }),
      queue: () =>
        population.forEach(population.mine, async (i) => {
          const sender = await senders.open(i)
          sender.begin(0, options.count)
          sender.proceed(microseconds())
          sender.client.flush()
          await until(() => sender.isDone(), `PUBACKs of sender ${i}`)
          sender.client.disconnect()
        }),
      drain: () =>
        population.forEach(places, async (place) => {
          await openReceiver(place)
        }),
      look() {},
    },
    snapshot: () => ({ sent: senders.sent, received: receivers.received, dead: 0 }),
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + queueMsMax
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, lookMs))
  }
}
