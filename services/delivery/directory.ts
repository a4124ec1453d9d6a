// Which broker has which device connected: one that connects to another broker is closed at the
// first, and goes on when what it acknowledged there is stored. Without Redis nobody waits, and who
// lost a device finds out when Redis is back.

import type { Clock } from '../../protocol/clock.ts'
import type { Peers } from '../bus/peers.ts'
import { deviceKey } from './locks.ts'
import type { ClaimStore, DeviceName } from './ports.ts'

/** A device that is connected here, or about to be. */
export interface Place {
  /** Whether it has come elsewhere since. */
  isLost(): boolean
  /** Sets what ends the connection when it has come elsewhere; resolves when its cursors are
   * stored. */
  onLost(end: () => Promise<void>): void
  /** The device has gone from here. */
  leave(): void
}

export interface Directory {
  /** A device connects here. Resolves when its connection at another broker has ended and its
   * cursors are stored there, or when that broker is dead or too slow. Never rejects. One at a time
   * for a device. */
  take(device: DeviceName): Promise<Place>
  close(): void
}

interface DirectoryParts {
  readonly peers: Peers
  readonly claims: ClaimStore
  readonly clock: Clock
  /** This broker's id: one that no other has, nor this one's process had before; without `/`. */
  readonly broker: string
}

/** Longest wait for another broker to let go of a device, ms. */
const letGoMs = 2000
/** How often claims are renewed; three times within their lifetime at least, ms. */
const renewMs = 60_000
const renewedAtOnceMax = 500

interface Held extends Place {
  readonly device: DeviceName
  readonly claim: string
  /** Resolves when the connection has ended. */
  lose(): Promise<void>
  readonly lost: Promise<void>
}

/** Makes the directory. */
export function makeDirectory({ peers, claims, clock, broker }: DirectoryParts): Directory {
  const places = new Map<string, Held>()
  /** What waits for other brokers, by the claim that they are to let go. */
  const released = new Map<string, () => void>()
  let count = 0

  const leave = (place: Held) => {
    const key = deviceKey(place.device)
    if (places.get(key) === place) places.delete(key)
    claims.release(key, place.claim)
  }

  /** Asks the broker that has the device to let go of it. */
  const request = async (device: DeviceName, before: string, { claim, lost }: Held) => {
    const holder = brokerOf(before)
    if (holder === broker || !peers.isUp()) return
    let timer: NodeJS.Timeout | undefined
    const answered = new Promise<void>((resolve) => {
      released.set(before, resolve)
      timer = setTimeout(resolve, letGoMs)
    })
    const { user, device: name } = device
    const notice = { type: 'takeOver', user, device: name, claim: before, by: claim } as const
    peers.tell({ broker: holder }, notice)
    await Promise.race([answered, lost])
    clearTimeout(timer)
    released.delete(before)
  }

  const renew = async () => {
    const all = [...places]
    for (let at = 0; at < all.length; at += renewedAtOnceMax) {
      const some = all.slice(at, at + renewedAtOnceMax)
      const lost = await claims.renew(some.map(([device, { claim }]) => ({ device, claim })))
      for (const index of lost) void some[index]?.[1].lose()
    }
  }

  peers.on('takeOver', async ({ user, device, claim, by }) => {
    const place = places.get(deviceKey({ user, device }))
    if (place?.claim === claim) await place.lose()
    peers.tell({ broker: brokerOf(by) }, { type: 'released', claim })
  })
  peers.on('released', ({ claim }) => released.get(claim)?.())
  peers.onMissed(() => void renew())
  void peers.listen({ broker })
  const timer = setInterval(() => void renew(), renewMs)
  timer.unref()

  return {
    async take({ user, device }) {
      const key = deviceKey({ user, device })
      const claim = `${broker}/${++count}/${clock()}`
      const place = makePlace({ user, device }, claim, leave)
      places.set(key, place)
      const before = await claims.claim(key, claim)
      if (before !== undefined) await request(place.device, before, place)
      return place
    },
    close() {
      clearInterval(timer)
      peers.unlisten({ broker })
    },
  }
}

function makePlace(device: DeviceName, claim: string, leave: (place: Held) => void): Held {
  let isLost = false
  let end: (() => Promise<void>) | undefined
  let tellLost = () => {}
  const lost = new Promise<void>((resolve) => {
    tellLost = resolve
  })
  const place: Held = {
    device,
    claim,
    lost,
    isLost: () => isLost,
    onLost(callback) {
      end = callback
    },
    leave: () => leave(place),
    async lose() {
      isLost = true
      tellLost()
      await end?.()
    },
  }
  return place
}

function brokerOf(claim: string): string {
  return claim.slice(0, claim.indexOf('/'))
}
