// Lets nobody wait for Redis: an answer that is late counts as none, and after one Redis is left
// alone for a while.

import type { Clock } from '../../protocol/clock.ts'

interface GuardOptions {
  readonly answerMs: number
  readonly pauseMs: number
  /** Most calls at a time. */
  readonly callsMax: number
}

export interface Guard {
  /** The answer; undefined when there is none in time, or Redis was not asked. Never rejects. */
  ask<Result>(call: () => Promise<Result>): Promise<Result | undefined>
}

export function makeGuard(clock: Clock, { answerMs, pauseMs, callsMax }: GuardOptions): Guard {
  let calls = 0
  let pausedUntil = Number.NEGATIVE_INFINITY

  return {
    async ask<Result>(call: () => Promise<Result>) {
      if (calls >= callsMax || clock() < pausedUntil) return undefined
      calls++
      const asked = call().finally(() => calls--)
      const late = makeLate(answerMs)
      try {
        const answer = await Promise.race([asked, late.promise])
        if (answer !== isLate) return answer
      } catch (error) {
        // An error that Redis itself answers with costs no time: it is there.
        if ((error as Error).name === 'ReplyError') return undefined
      } finally {
        late.cancel()
      }
      pausedUntil = clock() + pauseMs
      return undefined
    },
  }
}

const isLate = Symbol('late')

/** Resolves after that time; an answer that has come meanwhile, while this process was busy, is
 * looked at first. */
function makeLate(ms: number) {
  let timer: NodeJS.Timeout | undefined
  const promise = new Promise<typeof isLate>((resolve) => {
    timer = setTimeout(() => setImmediate(() => setImmediate(resolve, isLate)), ms)
  })
  return { promise, cancel: () => clearTimeout(timer) }
}
