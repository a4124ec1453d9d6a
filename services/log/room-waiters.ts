// Who waits for room in a full log, and is called back when there is some.

export interface RoomWaiters {
  /** Calls back once when there is room, at once if there is. Given twice while it waits, the same
   * callback is called once. */
  onRoom(callback: () => void): void
  /** There may be room again. */
  wake(): void
}

export function makeRoomWaiters(hasRoom: () => boolean): RoomWaiters {
  const waiting = new Set<() => void>()
  return {
    onRoom(callback) {
      if (hasRoom()) callback()
      else waiting.add(callback)
    },
    wake() {
      for (const callback of waiting) {
        if (!hasRoom()) return
        waiting.delete(callback)
        callback()
      }
    },
  }
}
