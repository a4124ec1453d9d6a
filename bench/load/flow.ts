// The modes `pair` and `group`, in a worker thread: senders that publish all the time, each to one
// receiver or to the members of a group.

import { type Client, openClient } from './client.ts'
import { microseconds } from './clock.ts'
import { makePopulation } from './population.ts'
import { makeReceivers } from './receivers.ts'
import { makeSenders, type Sender } from './senders.ts'
import type { Work, WorkerTask } from './steps.ts'
import { fill } from './templates.ts'

const tickMs = 1

/** Steps: `connect`; `start`, at a time in µs; `measure` and `rest`, between which latencies are
 * noted; `stop`. */
export function makeFlow({ options, share, run, beats }: WorkerTask): Work {
  const isGroup = options.mode === 'group'
  const shape = isGroup
    ? { senders: options.groups, members: options.members }
    : { senders: options.n, members: 1 }
  const population = makePopulation(options, share, shape)
  const receivers = makeReceivers()
  const senders = makeSenders(options, population, { run, senders: shape.senders })
  const receiving: Client[] = []
  const sending: Sender[] = []
  let timer: NodeJS.Timeout | undefined

  const openReceiver = async (i: number, m: number): Promise<void> => {
    const client = await openClient({
      ...population.address('receiver', { i, m }),
      clean: !options.persistent,
      received: receivers.makeReceiver(),
    })
    await client.subscribe(fill(options.sub, i, m), options.qos)
    if (options.stalled) client.stall()
    receiving.push(client)
  }

  const proceed = (): void => {
    const now = microseconds()
    for (const sender of sending) {
      sender.proceed(now)
      sender.client.flush()
    }
  }

  return {
    steps: {
      async connect() {
        const places = population.mine.flatMap((i) =>
          Array.from({ length: shape.members }, (_, m) => ({ i, m })),
        )
        await population.forEach(places, ({ i, m }) => openReceiver(i, m))
        await population.forEach(population.mine, async (i) => {
          sending.push(await senders.open(i))
        })
      },
      start(at) {
        for (const sender of sending) sender.begin(at, Number.POSITIVE_INFINITY)
        if (options.rate > 0) beats.on('message', proceed)
        // A closed loop of QoS 1 goes on by itself once it has begun.
        else timer = setInterval(proceed, tickMs)
      },
      measure() {
        senders.isMeasuring = true
        receivers.isMeasuring = true
      },
      rest() {
        senders.isMeasuring = false
        receivers.isMeasuring = false
      },
      stop() {
        beats.close()
        clearInterval(timer)
        for (const sender of sending) sender.stop()
      },
      look() {},
    },
    snapshot: () => ({
      sent: senders.sent,
      received: receivers.received,
      dead: [...receiving, ...sending.map(({ client }) => client)].filter((it) => it.isDead())
        .length,
    }),
  }
}
