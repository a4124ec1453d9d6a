// Makes a fault of the plan happen to a cluster, and repairs what it broke.

import { setTimeout as sleep } from 'node:timers/promises'
import type { EngineProcess } from '../../support/engine-process.ts'
import { until } from '../../support/until.ts'
import type { Fault, FaultKind } from './plan.ts'
import { type Cluster, type ClusterBroker, isReady } from './topology.ts'

/** What a fault needs of a cluster. */
type Harmable = Pick<Cluster, 'brokers' | 'redis' | 'mongo' | 'mongoProxies'>

/** Resolves when the trouble is over and what was broken works again. */
export async function befall(cluster: Harmable, fault: Fault): Promise<void> {
  const { redis, mongo } = cluster
  const broker = cluster.brokers[Number(fault.target.split(' ')[1])] as ClusterBroker
  const while_ = () => sleep(fault.forMs)
  const acts: Readonly<Record<FaultKind, () => Promise<void>>> = {
    async 'kill broker'() {
      await broker.process.kill()
      await while_()
      await revive(broker.process)
    },
    async 'stop broker'() {
      const ending = await broker.process.stop()
      if (ending !== 0) throw new Error(`it ended with ${ending}: ${broker.process.output()}`)
      await while_()
      await revive(broker.process)
    },
    'pause broker': () => pause(broker.process, while_),
    async 'cut clients'() {
      await broker.clients.enabled(false)
      await while_()
      await broker.clients.heal()
    },
    async 'cut broker off Redis'() {
      await broker.redis.silence()
      await while_()
      await broker.redis.heal()
    },
    async 'kill Redis'() {
      await redis.kill()
      await while_()
      await redis.restart()
    },
    'pause Redis': () => pause(redis, while_),
    'flush Redis': () => redis.flush(),
    async 'kill primary'() {
      const primary = await mongo.primary()
      await primary.kill()
      await while_()
      await primary.restart()
    },
    'pause primary': async () => pause(await mongo.primary(), while_),
    'step down': () => mongo.stepDown(),
    async 'slow MongoDB'() {
      await Promise.all(cluster.mongoProxies.map((proxy) => proxy.latency(150, 100)))
      await while_()
      await Promise.all(cluster.mongoProxies.map((proxy) => proxy.heal()))
    },
  }
  await acts[fault.kind]()
  if (fault.target === 'mongo') await mongo.primary()
  else if (fault.target !== 'redis')
    await until('it is ready', () => isReady(broker.httpPort), 30_000)
}

async function pause(process: EngineProcess, meanwhile: () => Promise<void>): Promise<void> {
  process.pause()
  await meanwhile()
  process.resume()
}

const reviveMs = 60_000

/** Starts a broker as a supervisor does: again, when it gives up because an engine is away. */
async function revive(process: EngineProcess): Promise<void> {
  const deadline = Date.now() + reviveMs
  for (;;) {
    try {
      return await process.restart()
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}
