// A process of the simulated cluster: the real log, lanes, rules and fallback, over engines that
// are seen through the network. It may be paused, and dies without a word.

import type { Clock } from '../../../protocol/clock.ts'
import { makeLocks } from '../../../services/delivery/locks.ts'
import { makeLanedLog } from '../../../services/log/laned-log.ts'
import type { AppendRequest } from '../../../services/log/log.ts'
import { makePersistence } from '../../../services/log/persistence.ts'
import type { LogStore } from '../../../services/log/ports.ts'
import {
  makeFallbackSequencer,
  makeStoreSequencer,
} from '../../../services/log/positions/fallback.ts'
import type { PositionLog } from '../../../services/log/positions/position-log.ts'
import { makePositionLog } from '../../../services/log/positions/position-log.ts'
import type { Caller } from './network.ts'
import type { Sabotage } from './sabotage.ts'
import { sabotaged } from './sabotage.ts'
import type { SimulatedSequencer } from './sequencer.ts'
import type { SimulatedStore } from './store.ts'
import type { Time } from './time.ts'

export interface Process {
  readonly caller: Caller
  append(request: AppendRequest): void
  readonly read: LogStore['read']
  pause(ms: number): void
  die(): void
}

export interface ProcessParts {
  readonly time: Time
  readonly store: SimulatedStore
  readonly sequencer: SimulatedSequencer
  readonly makeToken: () => string
  readonly sabotage: Sabotage | undefined
}

const logger = { debug() {}, info() {}, warn() {}, error() {} }
/** As in production, but sooner: the store's time-out is 60 ms, the sequencer's 30. */
const times = { waitMs: 600, fillAfterMs: 150, fallbackPauseMs: 25 }
const logOptions = {
  queueMax: 1000,
  queueBytesMax: 1_000_000,
  batchMax: 4,
  gatherMs: 0,
  waitMs: times.waitMs,
  wavesMax: 4,
}

export function makeProcess(parts: ProcessParts): Process {
  const { time, store, sequencer, makeToken, sabotage } = parts
  let isAlive = true
  let pausedUntil = 0
  const caller: Caller = { isAlive: () => isAlive, pausedUntil: () => pausedUntil }
  const clock: Clock = time.now
  const port = store.portOf(caller)
  const engines = sabotaged(
    {
      store: port,
      sequencer: makeFallbackSequencer(
        {
          first: sequencer.portOf(caller, port.heads),
          second: makeStoreSequencer(port),
          clock,
        },
        { pauseMs: times.fallbackPauseMs },
      ),
    },
    sabotage,
  )
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const wake = () => {
        if (!isAlive) return
        const more = pausedUntil - time.now()
        if (more > 0) time.at(more, wake)
        else resolve()
      }
      time.at(ms, wake)
    })
  const isTwofold = sabotage === 'two-batches'
  const log = makePositionLog(
    {
      ...engines,
      clock,
      pause,
      failed() {},
      worked() {},
      withLock: isTwofold ? (_, work) => work() : makeLocks(),
      makeToken,
    },
    times,
  )
  const lanes = [makeLanes(log, clock)]
  if (isTwofold) lanes.push(makeLanes(log, clock))
  let next = 0

  return {
    caller,
    append(request) {
      if (isAlive) lanes[next++ % lanes.length]?.append(request)
    },
    read: log.read,
    pause(ms) {
      pausedUntil = time.now() + ms
    },
    die() {
      isAlive = false
    },
  }
}

function makeLanes(store: PositionLog, clock: Clock) {
  const persistence = makePersistence({ clock, logger })
  return makeLanedLog({ store, persistence, clock, logger, announce() {} }, logOptions)
}
