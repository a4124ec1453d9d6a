// How long a failed job waits.

import t from 'tap'
import { retryDelayMs } from '../../../services/jobs/limits.ts'

t.test('waits double from a second to an hour, spread over their second half', async (t) => {
  const shortest = (attempt: number) => retryDelayMs(attempt, () => 0)
  const longest = (attempt: number) => retryDelayMs(attempt, () => 1)
  t.same([1, 2, 3, 12, 13, 1000].map(longest), [1000, 2000, 4000, 2_048_000, 3_600_000, 3_600_000])
  t.same([1, 2, 3].map(shortest), [500, 1000, 2000])
})
