// The mode `idle`, in a worker thread: connections that subscribe and then say nothing.

import { type Client, openClient } from './client.ts'
import { makePopulation } from './population.ts'
import { makeReceivers } from './receivers.ts'
import { makeHistogram } from './statistics.ts'
import type { Work, WorkerTask } from './steps.ts'
import { fill } from './templates.ts'

/** Steps: `connect`. Line k of the users is the k-th connection's, which is `{i}`. */
export function makeIdle({ options, share }: WorkerTask): Work {
  const population = makePopulation(options, share, { senders: options.n, members: 0 })
  const clients: Client[] = []
  const { received } = makeReceivers()

  return {
    steps: {
      connect: () =>
        population.forEach(population.mine, async (i) => {
          const { user, password } = population.address('sender', { i, m: 0 })
          const client = await openClient({
            ...population.address('receiver', { i, m: 0 }),
            user,
            password,
            clean: !options.persistent,
          })
          await client.subscribe(fill(options.sub, i, 0), options.qos)
          clients.push(client)
        }),
      look() {},
    },
    snapshot: () => ({
      sent: { sent: clients.length, acknowledged: 0, latencies: makeHistogram() },
      received,
      dead: clients.filter((client) => client.isDead()).length,
    }),
  }
}
