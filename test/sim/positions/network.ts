// What lies between a process and an engine: requests are late, lost or done twice, answers are
// lost.

import { StoreFailure } from '../../../protocol/failure.ts'
import type { Random } from '../random.ts'
import type { Time } from './time.ts'

/** A process, as far as it can ask and hear answers. */
export interface Caller {
  isAlive(): boolean
  /** Until when it does nothing, ms since the epoch. */
  pausedUntil(): number
}

/** How bad it is now, in percent of the requests. */
export interface Weather {
  lost: number
  late: number
  twice: number
  unanswered: number
}

export const badWeather: Weather = { lost: 4, late: 10, twice: 4, unanswered: 8 }
export const fairWeather: Weather = { lost: 1, late: 3, twice: 2, unanswered: 1 }
export const goodWeather: Weather = { lost: 0, late: 0, twice: 0, unanswered: 0 }

/** Does what was asked, in its own time, and answers. */
export type Perform<Result> = (answer: (result: Result) => void) => void

export interface Network {
  /** What the engine answers, unless something comes between. Rejects with `StoreFailure` after
   * `timeoutMs`: it may still be done then. Never settles for a process that is dead. */
  ask<Result>(caller: Caller, timeoutMs: number, perform: Perform<Result>): Promise<Result>
}

/** An ordinary delay of one way, and what is late at most, ms. */
const delayMs = 4
const lateMs = 250

export function makeNetwork(time: Time, random: Random, weather: Weather): Network {
  const delay = () => {
    const most = random.chance(weather.late) ? lateMs : delayMs
    return random.below(most * 10) / 10
  }
  /** Does it when the process is not paused; never when it is dead. */
  const within = (caller: Caller, work: () => void): void => {
    if (!caller.isAlive()) return
    const pauseMs = caller.pausedUntil() - time.now()
    if (pauseMs > 0) time.at(pauseMs, () => within(caller, work))
    else work()
  }

  return {
    ask: (caller, timeoutMs, perform) =>
      new Promise((resolve, reject) => {
        const answer = (result: Parameters<typeof resolve>[0]) => {
          if (random.chance(weather.unanswered)) return
          time.at(delay(), () => within(caller, () => resolve(result)))
        }
        within(caller, () => {
          const times = random.chance(weather.lost) ? 0 : random.chance(weather.twice) ? 2 : 1
          for (let n = 0; n < times; n++) time.at(delay(), () => perform(answer))
          const giveUp = () => reject(new StoreFailure('no answer'))
          time.at(timeoutMs, () => within(caller, giveUp))
        })
      }),
  }
}
