// Whether messages can be stored now. While the store fails and nobody publishes, asks it now and
// then, so that the answer turns by itself.

import type { Persistence } from './persistence.ts'

export interface Health {
  /** Reasons why the server is not ready; none when it is. */
  reasons(): readonly string[]
  close(): void
}

interface HealthParts {
  readonly persistence: Pick<Persistence, 'failure' | 'busy' | 'worked'>
  /** Proves that the store can commit; rejects when it cannot. */
  readonly check: () => Promise<void>
  readonly everyMs: number
}

export function makeHealth({ persistence, check, everyMs }: HealthParts): Health {
  let checking = false

  const ask = async () => {
    // What is being tried tells more than a check does: a small check may fit where it does not.
    if (checking || persistence.busy() || persistence.failure() === undefined) return
    checking = true
    try {
      await check()
      if (!persistence.busy()) persistence.worked()
    } catch {
      // Known already; the log said so when it began.
    } finally {
      checking = false
    }
  }

  const timer = setInterval(() => void ask(), everyMs)
  timer.unref()
  return {
    reasons() {
      const failure = persistence.failure()
      return failure === undefined ? [] : [`store: ${failure}`]
    },
    close: () => clearInterval(timer),
  }
}
