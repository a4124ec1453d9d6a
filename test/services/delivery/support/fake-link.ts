// A connection as a test sees it: what was delivered, in order, and a socket that takes bytes when
// told.

import type { Delivery, Link } from '../../../../services/delivery/delivery.ts'
import type { Session } from '../../../../services/delivery/session.ts'

interface Delivered {
  readonly conversation: string
  readonly seq: number
  readonly packetId: number
  readonly dup: boolean
  readonly topic: string
}

export interface FakeLink extends Link {
  readonly delivered: Delivered[]
  /** What was notified, but for `caughtUp`. */
  readonly notices: { readonly topic: string; readonly message: Record<string, unknown> }[]
  /** How much was delivered at each `caughtUp`. */
  readonly caughtUpAfter: number[]
  /** Set when the session is there. */
  session: Session | undefined
  /** Whether the socket takes bytes at once. */
  isFast: boolean
  unsent: number
  /** How often another connection took this one's place. */
  takeovers: number
  /** Called for each delivery. */
  onDeliver: ((delivered: Delivered) => void) | undefined
  /** The socket takes everything. */
  drain(): void
  /** The positions that were delivered of a conversation. */
  seqs(conversation?: string): number[]
  /** Acknowledges everything that was delivered and not acknowledged yet, oldest first. */
  acknowledgeAll(): void
}

/** Each delivery counts as so many bytes. */
export const deliveryBytes = 100

export function makeLink(): FakeLink {
  let acknowledged = 0
  const link: FakeLink = {
    delivered: [],
    notices: [],
    caughtUpAfter: [],
    session: undefined,
    isFast: true,
    unsent: 0,
    takeovers: 0,
    onDeliver: undefined,
    deliver(delivery: Delivery, packetId, dup) {
      const { conversation, seq } = delivery.entry
      const topic = delivery.topicFor(link.session?.user ?? '')
      const delivered = { conversation, seq, packetId, dup, topic }
      link.delivered.push(delivered)
      if (!link.isFast) link.unsent += deliveryBytes
      link.onDeliver?.(delivered)
    },
    notify(topic, payload) {
      const message = JSON.parse(payload) as Record<string, unknown>
      if (message.type === 'caughtUp') link.caughtUpAfter.push(link.delivered.length)
      else link.notices.push({ topic, message })
      if (!link.isFast) link.unsent += payload.length
    },
    unsentBytes: () => link.unsent,
    takenOver: () => void link.takeovers++,
    drain() {
      link.unsent = 0
      link.session?.drained()
    },
    seqs: (conversation) =>
      link.delivered
        .filter((it) => conversation === undefined || it.conversation === conversation)
        .map(({ seq }) => seq),
    acknowledgeAll() {
      while (acknowledged < link.delivered.length) {
        const { packetId } = link.delivered[acknowledged++] as Delivered
        if (packetId > 0) link.session?.acknowledge(packetId)
      }
    },
  }
  return link
}
