// Cursors, written behind: collects positions that moved and writes them in bulk. A crash forgets
// at most what moved since the last write, which costs repetition, never loss.

import type { Logger } from '../../protocol/logger.ts'
import type { CursorUpdate, DeviceStore } from './ports.ts'

/** A position that can be written: its session's device, its conversation, and how far it is. */
export interface CursorSource {
  cursor(): CursorUpdate
  /** False once the device has given the conversation up. */
  isCurrent(): boolean
}

export interface Cursors {
  /** Notes that a position moved. */
  moved(position: CursorSource): void
  /** Writes these positions now. Failures are logged, and written with the next bulk. */
  flush(positions: Iterable<CursorSource>): Promise<void>
  /** Stops the timer and writes everything that is left. */
  close(): Promise<void>
}

const updatesPerWrite = 1000
/** Most positions that wait; beyond it a moved one is forgotten, and its entries come again. */
const dirtyMax = 500_000

/** Makes the write-behind. The set of moved positions is bounded by the positions of the sessions
 * that are connected, plus those that left while the store failed. */
export function makeCursors(
  store: Pick<DeviceStore, 'saveCursors'>,
  logger: Logger,
  { flushMs }: { readonly flushMs: number },
): Cursors {
  const dirty = new Set<CursorSource>()
  let flushing: Promise<void> | undefined
  let failing = false

  const write = async (positions: readonly CursorSource[]) => {
    for (const position of positions) dirty.delete(position)
    try {
      const current = positions.filter((position) => position.isCurrent())
      await store.saveCursors(current.map((position) => position.cursor()))
      failing = false
    } catch (error) {
      for (const position of positions) dirty.add(position)
      // Once, not every time: an outage fills no disk.
      if (!failing) logger.warn({ reason: String(error) }, 'cursors wait for the store')
      failing = true
    }
    return !failing
  }

  const writeAll = async () => {
    // What moves meanwhile is for the next time.
    const moved = [...dirty]
    for (let at = 0; at < moved.length; at += updatesPerWrite) {
      if (!(await write(moved.slice(at, at + updatesPerWrite)))) return
    }
  }

  const timer = setInterval(() => {
    flushing ??= writeAll().finally(() => {
      flushing = undefined
    })
  }, flushMs)
  timer.unref()

  return {
    moved(position) {
      if (dirty.size < dirtyMax) dirty.add(position)
    },
    async flush(positions) {
      const moved = [...positions].filter((position) => dirty.has(position))
      // A bulk under way may hold an older state of the same positions; cursors never move down,
      // so the order of the two writes does not matter.
      if (moved.length > 0) await write(moved)
      await flushing
    },
    async close() {
      clearInterval(timer)
      await flushing
      await writeAll()
    },
  }
}
