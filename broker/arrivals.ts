// The order in which devices come. To find out whose a CONNECT is takes longer for some than for
// others; but of two connections of a device the one whose CONNECT came later stays
// [MQTT-3.1.4-2]. Taken the other way round, a connection that its client has given up would end
// the one it uses, and bring again what was sent on both, perhaps after its packet ids are free.

import { deviceKey } from '../services/delivery/locks.ts'

export interface Arrivals {
  /** Finds out whose a CONNECT is that has just come from a device. Resolves in time to go on in
   * the order of the CONNECTs of each device; with undefined when a later one was quicker. Rejects
   * as `identify` does. */
  identify<Identity extends { readonly user: string }>(
    device: string,
    identify: () => Promise<Identity>,
  ): Promise<Identity | undefined>
  /** Devices that are remembered now. */
  remembered(): number
}

/** Makes the order. At most `devicesMax` devices are remembered, and only as long as the CONNECT of
 * somebody is older than theirs and still being looked at. */
export function makeArrivals(devicesMax: number): Arrivals {
  /** Numbers of the CONNECTs that are being looked at, in ascending order. */
  const waiting = new Set<number>()
  /** By device: the number of its newest CONNECT; who was identified last is last. */
  const newest = new Map<string, number>()
  let count = 0

  const isNewest = (key: string, number: number): boolean => {
    if ((newest.get(key) ?? 0) > number) return false
    newest.delete(key)
    newest.set(key, number)
    return true
  }

  const forget = () => {
    const [oldest = Number.POSITIVE_INFINITY] = waiting
    for (const [key, number] of newest) {
      if (number > oldest && newest.size <= devicesMax) return
      newest.delete(key)
    }
  }

  return {
    async identify(device, identify) {
      const number = ++count
      waiting.add(number)
      try {
        const identity = await identify()
        const key = deviceKey({ user: identity.user, device })
        return isNewest(key, number) ? identity : undefined
      } finally {
        waiting.delete(number)
        forget()
      }
    },
    remembered: () => newest.size,
  }
}
