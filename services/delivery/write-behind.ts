// Writing behind: collects things that changed and writes them in bulk. A crash forgets at most
// what changed since the last write.

import type { Logger } from '../../protocol/logger.ts'

export interface WriteBehind<Source> {
  /** Notes that something changed; it is written as it is by then. */
  changed(source: Source): void
  /** Writes these now, as far as they changed, and waits for the writes under way. Failures are
   * logged, and written with the next bulk. */
  flush(sources: Iterable<Source>): Promise<void>
  /** Writes everything that changed until now; false when the store failed. */
  flushAll(): Promise<boolean>
  /** Stops the timer and writes everything that is left. */
  close(): Promise<void>
}

interface WriteBehindParts<Source> {
  /** Stores the sources as they are now, in one go. Values must never move down, so that the order
   * of two writes of the same source does not matter. */
  readonly save: (sources: readonly Source[]) => Promise<void>
  readonly logger: Logger
  /** What is told when the store fails: once, not every time, so that an outage fills no disk. */
  readonly warning: string
}

const sourcesPerWrite = 1000
/** Most that wait; beyond it a change is forgotten until the next one of the same source. */
const changedMax = 500_000

/** Makes a write-behind that writes every `flushMs`. */
export function makeWriteBehind<Source>(
  { save, logger, warning }: WriteBehindParts<Source>,
  { flushMs }: { readonly flushMs: number },
): WriteBehind<Source> {
  const waiting = new Set<Source>()
  /** Writes under way. */
  const saving = new Set<Promise<void>>()
  let flushing: Promise<boolean> | undefined
  let failing = false

  const write = async (sources: readonly Source[]) => {
    for (const source of sources) waiting.delete(source)
    const saved = save(sources)
    saving.add(saved)
    try {
      await saved
      failing = false
    } catch (error) {
      for (const source of sources) waiting.add(source)
      if (!failing) logger.warn({ reason: String(error) }, warning)
      failing = true
    } finally {
      saving.delete(saved)
    }
    return !failing
  }

  const writeAll = async () => {
    // What changes meanwhile is for the next time.
    const sources = [...waiting]
    for (let at = 0; at < sources.length; at += sourcesPerWrite) {
      if (!(await write(sources.slice(at, at + sourcesPerWrite)))) return false
    }
    return true
  }

  const timer = setInterval(() => {
    flushing ??= writeAll().finally(() => {
      flushing = undefined
    })
  }, flushMs)
  timer.unref()

  return {
    changed(source) {
      if (waiting.size < changedMax) waiting.add(source)
    },
    async flush(sources) {
      const changed = [...sources].filter((source) => waiting.has(source))
      const others = [...saving]
      if (changed.length > 0) await write(changed)
      await Promise.allSettled(others)
    },
    async flushAll() {
      await flushing
      return writeAll()
    },
    async close() {
      clearInterval(timer)
      await flushing
      await writeAll()
    },
  }
}
