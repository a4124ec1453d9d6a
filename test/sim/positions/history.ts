// One history of a simulated cluster, decided by its seed: trouble of all kinds for a while, then
// quiet, in which everything must come right.

import type { Random } from '../random.ts'
import { makeRandom } from '../random.ts'
import { check } from './checker.ts'
import type { Weather } from './network.ts'
import { badWeather, fairWeather, goodWeather, makeNetwork } from './network.ts'
import type { Process } from './process.ts'
import { makeProcess } from './process.ts'
import type { Publisher } from './publisher.ts'
import { makePublisher } from './publisher.ts'
import { makeReader } from './reader.ts'
import type { Sabotage } from './sabotage.ts'
import type { SimulatedSequencer } from './sequencer.ts'
import { makeSequencer } from './sequencer.ts'
import { makeStore } from './store.ts'
import type { Time } from './time.ts'
import { installTime } from './time.ts'

export interface HistoryOutcome {
  /** What does not hold; nothing if all does. */
  readonly violations: readonly string[]
  readonly steps: number
  /** What there was to do, so that it can be seen that something was. */
  readonly entries: number
  readonly voids: number
}

export interface HistoryOptions {
  readonly seed: number
  readonly sabotage?: Sabotage | undefined
}

const conversations = ['square', 'well'] as const
const publishersMax = 4
const processesMax = 3
const messagesEach = 40
/** How long there is trouble, and how long it may take until all is well, ms. */
const troubleMs = 1500
const quietMs = 8000

export async function runPositions({ seed, sabotage }: HistoryOptions): Promise<HistoryOutcome> {
  const time = installTime()
  try {
    return await run(time, makeRandom(seed), sabotage)
  } finally {
    time.restore()
  }
}

async function run(time: Time, random: Random, sabotage: Sabotage | undefined) {
  const weather: Weather = { ...random.choose(badWeather, fairWeather, goodWeather) }
  const network = makeNetwork(time, random, weather)
  const store = makeStore({ time, random, network, isUnordered: sabotage === 'unordered' })
  const sequencer = makeSequencer(network)
  let tokens = 0
  const makeToken = () => `t${++tokens}`
  const start = () => makeProcess({ time, store, sequencer, makeToken, sabotage })
  const processes = Array.from({ length: processesMax }, start)
  const choose = () => random.pick(processes) as Process
  const publishers = Array.from({ length: publishersMax }, (_, n) =>
    makePublisher({ name: `p${n}`, conversations, time, random, choose, count: messagesEach }),
  )
  const readers = [...conversations, ...conversations].map((conversation) =>
    makeReader({ conversation, time, random, choose }),
  )
  const replace = (index: number) => {
    const dead = processes[index]
    if (dead === undefined) return
    dead.die()
    processes[index] = start()
    for (const publisher of publishers) if (publisher.process === dead) publisher.move()
  }
  makeTrouble({ time, random, weather, sequencer, publishers, processes, replace })
  const endsAt = time.now() + troubleMs + quietMs
  const isWell = () =>
    publishers.every(({ isDone }) => isDone()) &&
    readers.every(({ conversation, seen }) => seen.length >= store.head(conversation))
  await time.run(() => time.now() > endsAt || isWell())
  const entries = conversations.flatMap((name) => [...store.contents(name).values()])
  return {
    violations: check({ store, publishers, readers, conversations }),
    steps: time.steps(),
    entries: entries.length,
    voids: entries.filter(({ from }) => from === '').length,
  }
}

interface Scene {
  readonly time: Time
  readonly random: Random
  readonly weather: Weather
  readonly sequencer: SimulatedSequencer
  readonly publishers: readonly Publisher[]
  readonly processes: readonly Process[]
  /** Kills a process, and starts another one. */
  readonly replace: (index: number) => void
}

function makeTrouble(scene: Scene): void {
  const { time, random, weather, sequencer, publishers, processes } = scene
  const endsAt = time.now() + troubleMs
  const kinds: readonly (() => void)[] = [
    sequencer.forget,
    sequencer.forget,
    sequencer.goBack,
    sequencer.remember,
    () => {
      sequencer.isAway = !sequencer.isAway
    },
    () => bePassedBy(scene),
    () => bePassedBy(scene),
    () => scene.replace(random.below(processes.length)),
    () => random.pick(publishers)?.move(),
    () => random.pick(publishers)?.move(),
    () => random.pick(processes)?.pause(random.below(300)),
    // The store is away, for all.
    () => {
      const { lost } = weather
      if (lost === 100) return
      weather.lost = 100
      time.at(random.below(150), () => {
        weather.lost = lost
      })
    },
  ]
  const strike = () => {
    if (time.now() > endsAt) {
      sequencer.isAway = false
      // After what the store may still do to the weather.
      return time.at(200, () => Object.assign(weather, goodWeather))
    }
    random.pick(kinds)?.()
    time.at(random.below(60), strike)
  }
  time.at(10, strike)
}

/** A process sleeps with positions in hand that are far above the log, and the sequencer begins
 * another life below them. What it stores when it wakes is far above what others write; then it
 * dies, or a publisher goes elsewhere. */
function bePassedBy({ time, random, sequencer, processes, publishers, replace }: Scene): void {
  const sleeper = random.pick(processes)
  if (sleeper === undefined) return
  const ms = 20 + random.below(60)
  const leave = () => random.pick(publishers.filter(({ process }) => process === sleeper))?.move()
  const die = () => replace(processes.indexOf(sleeper))
  sequencer.outlive(sleeper.caller, 20 + random.below(40), () => {
    sleeper.pause(ms)
    time.at(ms + random.below(30), random.choose(leave, die))
  })
}
