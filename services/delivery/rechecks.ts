// After changes of memberships may have been missed: the memberships of all connected users are
// read again, one user after the other. Entries that were missed are the repair's.

import type { Roster } from './roster.ts'

interface RechecksParts {
  readonly roster: Pick<Roster, 'users'>
  readonly recheckUser: (user: string) => Promise<void>
  /** Whether changes are heard of now. */
  readonly hears: () => boolean
  readonly failed: (error: unknown) => void
}

export interface Rechecks {
  /** Changes may have been missed until now. */
  begin(): void
  stop(): void
}

/** How long a store that failed is left alone, and pauses while changes are not heard of, ms. */
const pauseMs = 5000

/** Makes the rechecks. While changes are not heard of they begin by themselves, after a pause. */
export function makeRechecks({ roster, recheckUser, hears, failed }: RechecksParts): Rechecks {
  let isAsked = false
  let isWorking = false
  let isStopped = false

  const work = async () => {
    isWorking = true
    while (isAsked && !isStopped) {
      isAsked = false
      // Who comes meanwhile reads memberships that are new enough.
      for (const { user } of [...roster.users()]) {
        if (isStopped) break
        await recheckUser(user)
      }
    }
  }

  const begin = () => {
    isAsked = true
    if (isWorking) return
    work()
      .catch((error: unknown) => {
        isAsked = true
        failed(error)
      })
      .finally(() => {
        isWorking = false
      })
  }

  const timer = setInterval(() => {
    if (isAsked || !hears()) begin()
  }, pauseMs)
  timer.unref()

  return {
    begin,
    stop() {
      isStopped = true
      clearInterval(timer)
    },
  }
}
