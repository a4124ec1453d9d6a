// The publishers' half of the checker: what was published, what the store took, and what was
// acknowledged. It knows nothing of how the server works.

import type { Qos } from './wire.ts'

/** A message of one device. */
export interface Publish {
  /** Its text, which nothing else has. */
  readonly key: string
  readonly user: string
  /** `user/device` */
  readonly device: string
  readonly conversation: string
  readonly qos: Qos
  /** Whether it carries a message id, by which the server recognises it for ever. */
  readonly hasId: boolean
  /** Whether it comes from a durable device, of which the server remembers packet ids at QoS 2. */
  readonly isDurable: boolean
  /** 1, 2, 3, … in the order in which the device published. */
  readonly number: number
}

/** Publishes of one connection that wait for an answer, oldest first, by QoS. */
export type Unanswered = Map<Qos, Publish[]>

export interface LogChecker {
  /** The publish goes out on a connection, perhaps not for the first time. */
  sent(publish: Publish, unanswered: Unanswered): void
  /** The store has committed an entry with this text. */
  committed(entry: { readonly conversation: string; readonly from: string }, key: string): void
  /** The device got the PUBACK or PUBREC. */
  acknowledged(publish: Publish, unanswered: Unanswered): void
  /** The device was told why its publish was not taken. */
  refused(publish: Publish, code: string): void
  /** The user's membership changed: publishes to the conversation may be refused from now on. */
  mayBeRefused(user: string, conversation: string): void
}

interface Fate {
  sent: number
  stored: number
}

/** Makes the checker; it calls `report` for each violation. */
export function makeLogChecker(report: (violation: string) => void): LogChecker {
  const publishes = new Map<string, Publish>()
  const fates = new Map<string, Fate>()
  /** By device and conversation: the number of the newest publish that was stored. */
  const newest = new Map<string, number>()
  const refusable = new Set<string>()
  const isRefusable = ({ user, conversation }: Publish) => refusable.has(`${user} ${conversation}`)
  const show = ({ key, device, conversation }: Publish) => `${key} of ${device} to ${conversation}`

  const fateOf = ({ key }: Publish): Fate => {
    const fate = fates.get(key) ?? { sent: 0, stored: 0 }
    fates.set(key, fate)
    return fate
  }

  const mayBeStoredAgain = ({ hasId, qos, isDurable }: Publish, { sent }: Fate) =>
    !hasId && qos > 0 && sent > 1 && !(qos === 2 && isDurable)

  const checkOrder = (publish: Publish) => {
    // One that was refused is not stored, and sent again it may be, after later ones.
    if (isRefusable(publish)) return
    const place = `${publish.device} ${publish.conversation}`
    const before = newest.get(place) ?? 0
    newest.set(place, Math.max(before, publish.number))
    if (publish.number < before) report(`${show(publish)} is stored after a later one`)
  }

  return {
    sent(publish, unanswered) {
      publishes.set(publish.key, publish)
      fateOf(publish).sent++
      if (publish.qos === 0) return
      const waiting = unanswered.get(publish.qos) ?? []
      unanswered.set(publish.qos, waiting)
      waiting.push(publish)
    },
    committed({ conversation, from }, key) {
      const publish = publishes.get(key)
      if (publish === undefined) return report(`${key} is stored, and nobody published it`)
      if (publish.user !== from) report(`${show(publish)} is stored as a message of ${from}`)
      if (publish.conversation !== conversation) {
        report(`${show(publish)} is stored in ${conversation}`)
      }
      const fate = fateOf(publish)
      fate.stored++
      if (fate.stored === 1) checkOrder(publish)
      else if (!mayBeStoredAgain(publish, fate)) {
        report(`${show(publish)} is stored ${fate.stored} times`)
      }
    },
    acknowledged(publish, unanswered) {
      const waiting = unanswered.get(publish.qos) ?? []
      if (waiting[0] !== publish) report(`${show(publish)} is acknowledged out of turn`)
      unanswered.set(
        publish.qos,
        waiting.filter((it) => it !== publish),
      )
      if (fateOf(publish).stored > 0) return
      if (isRefusable(publish)) return
      report(`${show(publish)} is acknowledged, and not stored`)
    },
    refused(publish, code) {
      if (code === 'not-a-member' && isRefusable(publish)) return
      report(`${show(publish)} is refused: ${code}`)
    },
    mayBeRefused: (user, conversation) => void refusable.add(`${user} ${conversation}`),
  }
}
