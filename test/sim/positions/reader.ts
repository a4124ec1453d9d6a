// A simulated reader: it follows a conversation as a session does, at one process after the other.
// Now and then it looks at a page of the past.

import type { Entry } from '../../../protocol/entry.ts'
import type { Random } from '../random.ts'
import type { Process } from './process.ts'
import type { Time } from './time.ts'

export interface Reader {
  readonly conversation: string
  /** What it has seen, from position 1 on. */
  readonly seen: readonly Entry[]
  /** Pages of the past, newest first, and where each was to begin. */
  readonly pages: readonly { readonly before: number; readonly entries: readonly Entry[] }[]
}

export interface ReaderParts {
  readonly conversation: string
  readonly time: Time
  readonly random: Random
  readonly choose: () => Process
}

/** Without an answer for so long it asks elsewhere, ms. */
const patienceMs = 1000

export function makeReader({ conversation, time, random, choose }: ReaderParts): Reader {
  const seen: Entry[] = []
  const pages: { before: number; entries: readonly Entry[] }[] = []
  let process = choose()

  /** The answer; undefined when it failed, or did not come. */
  const ask = (range: Parameters<Process['read']>[1]) =>
    new Promise<readonly Entry[] | undefined>((resolve) => {
      time.at(patienceMs, () => resolve(undefined))
      process.read(conversation, range).then(resolve, () => resolve(undefined))
    })

  const look = async () => {
    const limit = 1 + random.below(8)
    const entries = await ask({ after: seen.length, limit })
    if (entries === undefined || random.chance(3)) process = choose()
    seen.push(...(entries ?? []))
    if (seen.length > 1 && random.chance(5)) await turnBack()
    time.at(1 + random.below(30), () => void look())
  }

  const turnBack = async () => {
    const before = 1 + random.below(seen.length)
    const entries = await ask({ before, limit: 1 + random.below(8), newestFirst: true })
    if (entries !== undefined) pages.push({ before, entries })
  }

  void look()
  return { conversation, seen, pages }
}
