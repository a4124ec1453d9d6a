// Cursors, written behind. A crash forgets at most what moved since the last write, which costs
// repetition, never loss.

import type { Logger } from '../../protocol/logger.ts'
import type { CursorUpdate, DeviceStore } from './ports.ts'
import { makeWriteBehind } from './write-behind.ts'

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

/** Makes the write-behind of cursors. The positions that wait are at most those of the sessions
 * that are connected, plus those that left while the store failed. */
export function makeCursors(
  store: Pick<DeviceStore, 'saveCursors'>,
  logger: Logger,
  options: { readonly flushMs: number },
): Cursors {
  const { changed, flush, close } = makeWriteBehind<CursorSource>(
    {
      save: (positions) => {
        const current = positions.filter((position) => position.isCurrent())
        return store.saveCursors(current.map((position) => position.cursor()))
      },
      logger,
      warning: 'cursors wait for the store',
    },
    options,
  )
  return { moved: changed, flush, close }
}
