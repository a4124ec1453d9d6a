// A campaign of the fuzzer: rounds of random connections against one server, with neighbours who
// must notice nothing, and a look at the memory between rounds.

import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import type { Level } from '../../broker/edge/reader.ts'
import type { Neighbours, Pair } from './neighbours.ts'
import { startNeighbours } from './neighbours.ts'
import { patience } from './patience.ts'
import { connectTimeoutMs, play } from './peer.ts'
import { readRecordings } from './recordings.ts'
import type { Login, Material, Script } from './script.ts'
import { anyScript } from './script.ts'
import type { Memory } from './server-process.ts'
import type { Target } from './target.ts'
import { startTarget } from './target.ts'
import { groups, serverWords, users } from './words.ts'

/** `tokens`: chat, and plain topics beside it. `trusted`: any client, plain topics only. */
export type Mode = 'tokens' | 'trusted'

export interface CampaignOptions {
  readonly mode: Mode
  readonly seed: number
  /** It ends after so many packets, or when `secondsMax` are over. */
  readonly packets: number
  readonly secondsMax: number
  /** Told of each look at the memory. */
  readonly progress: (line: string) => void
}

/** `heapBytes`, `rssBytes` and `lagMs`: at their highest. */
export interface Findings extends Memory {
  readonly packets: number
  readonly connections: number
  /** Connections that the server let in. */
  readonly accepted: number
  readonly rounds: number
  readonly neighbours: ReturnType<Neighbours['report']>
}

interface Owner {
  teardown(work: () => Promise<void> | void): void
}

const levels: readonly Level[] = [3, 4, 5]
const connectionsPerRound = 16
const roundsAtOnce = 5
/** What a server may hold after a collection: 40 MiB to start with; 80 connections, four users, and
 * bounded caches. */
const heapBytesMax = 96 * 1024 * 1024
const rssBytesMax = 768 * 1024 * 1024
const servedWithinMs = 1000
const measureEveryMs = 2000

/** Runs a campaign. Rejects with the first thing that the server failed to do, and how to see it
 * again. */
export async function runCampaign(t: Owner, options: CampaignOptions): Promise<Findings> {
  const target = await openTarget(t, options.mode)
  const material = materialOf(target, options.mode)
  // The first ones take long, while the neighbours would wait.
  fc.sample(anyScript(material), connectionsPerRound)
  const neighbours = await startNeighbours(target, pairsOf(target, options.mode))
  t.teardown(() => neighbours.stop())
  const endAt = performance.now() + options.secondsMax * 1000
  const scale = makeScale(target)
  const counts = { packets: 0, connections: 0, accepted: 0, rounds: 0 }
  let hasFailed = false
  const hasMore = () => !hasFailed && counts.packets < options.packets && performance.now() < endAt
  const playOn = async (): Promise<void> => {
    while (hasMore()) {
      const seed = options.seed + counts.rounds++
      try {
        for (const outcome of await playRound(seed, material, target)) {
          counts.packets += outcome.sent
          counts.connections++
          if (outcome.wasAccepted) counts.accepted++
        }
        demandService(neighbours)
      } catch (error) {
        hasFailed = true
        const replay = `npm run fuzz -- --mode ${options.mode} --packets 1 --seed ${seed}`
        throw new Error(`${(error as Error).message}\n  again: ${replay}`, { cause: error })
      }
    }
  }
  const watch = async (): Promise<void> => {
    while (hasMore()) {
      await pause(measureEveryMs)
      const weight = await scale.weigh()
      const worst = Math.round(neighbours.report().worstMs)
      const line = `${counts.packets} packets, ${weight}, neighbours within ${worst} ms`
      options.progress(`${options.mode}: ${line}`)
    }
  }
  await Promise.all([...Array.from({ length: roundsAtOnce }, playOn), watch()])
  return { ...counts, neighbours: neighbours.report(), ...scale.highest() }
}

function demandService(neighbours: Neighbours): void {
  const { worstMs } = neighbours.report()
  if (worstMs > patience(servedWithinMs))
    throw new Error(`a neighbour waited ${Math.round(worstMs)} ms`)
}

/** Everything of one seed, at once. */
async function playRound(seed: number, material: Material, target: Target) {
  const scripts = fc.sample(anyScript(material), { seed, numRuns: connectionsPerRound })
  try {
    const played = await Promise.all(scripts.map((script) => playOne(script, target)))
    target.demandHealth()
    return played
  } catch (error) {
    // What the server died of says more than what its peers saw of it.
    target.demandHealth()
    throw error
  }
}

async function playOne(script: Script, target: Target) {
  try {
    return await play(script, target)
  } catch (error) {
    const { level, transport, ending, isSound, packets } = script
    const bytes = Buffer.concat(packets).toString('hex').slice(0, 2000)
    const what = JSON.stringify({ level, transport, ending, isSound, bytes })
    throw new Error(`${(error as Error).message}\n  script: ${what}`, { cause: error })
  }
}

/** Looks at the memory, and remembers its highest. */
function makeScale(target: Target) {
  const highest = { heapBytes: 0, rssBytes: 0, lagMs: 0 }
  return {
    highest: (): Memory => highest,
    async weigh(): Promise<string> {
      const { heapBytes, rssBytes, lagMs } = await target.memory()
      highest.heapBytes = Math.max(highest.heapBytes, heapBytes)
      highest.rssBytes = Math.max(highest.rssBytes, rssBytes)
      highest.lagMs = Math.max(highest.lagMs, lagMs)
      const memory = `heap ${inMiB(heapBytes)}, RSS ${inMiB(rssBytes)} MiB`
      if (heapBytes > heapBytesMax || rssBytes > rssBytesMax)
        throw new Error(`too much memory: ${memory}`)
      return `${memory}, busy for ${Math.round(lagMs)} ms`
    },
  }
}

export function inMiB(bytes: number): number {
  return Math.round(bytes / (1024 * 1024))
}

const commonFlags = {
  connectTimeoutMs: String(connectTimeoutMs),
  stalledTimeoutMs: '2000',
  packetBytesMax: '80000',
  payloadBytesMax: '60000',
  plainRetainedMax: '100',
  plainRetainedBytesMax: '1000000',
  plainQueueMax: '100',
  plainQueueBytesMax: '50000',
}

function openTarget(t: Owner, mode: Mode): Promise<Target> {
  if (mode === 'trusted') {
    const flags = { ...commonFlags, anonymous: 'true', openTopics: '#' }
    return startTarget(t, { flags, users: [], groups: {} })
  }
  return startTarget(t, {
    flags: { ...commonFlags, openTopics: 't/#' },
    users: [...users, 'carol', 'dave'],
    groups: Object.fromEntries(groups.map((group) => [group, users])),
  })
}

function materialOf(target: Target, mode: Mode): Material {
  const known = users.map((user) => ({ user, token: target.tokens[user] }))
  const logins: Login[] = [...known, ...known]
  // Now and then somebody whom the server does not know.
  if (mode === 'tokens') logins.push({ user: 'nobody', token: 'no token' })
  const recordings = readRecordings().filter(({ level }) => levels.includes(level))
  return { words: serverWords, levels, logins, recordings }
}

/** Neighbours on every kind of topic and wire there is. */
function pairsOf(target: Target, mode: Mode): readonly Pair[] {
  const person = (user: string) => ({ user, token: target.tokens[user] })
  const pair = (name: string, rest: Pick<Pair, 'level' | 'webSocket'>): Pair => ({
    ...rest,
    topic: name === 'chat' ? 'u/dave/msg' : `t/neighbours/${rest.level}`,
    speaker: person('carol'),
    listener: person('dave'),
  })
  const plain = [
    pair('plain', { level: 3, webSocket: true }),
    pair('plain', { level: 4, webSocket: false }),
    pair('plain', { level: 5, webSocket: true }),
  ]
  return mode === 'trusted' ? plain : [...plain, pair('chat', { level: 4, webSocket: true })]
}
