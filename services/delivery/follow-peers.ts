// What happens at other brokers, on its way to those who are connected here: entries in order,
// changes of memberships, and what to do when some of it was missed.

import type { Entry } from '../../protocol/entry.ts'
import type { Logger } from '../../protocol/logger.ts'
import type { Peers } from '../bus/peers.ts'
import type { Memberships } from './memberships.ts'
import { makeRechecks } from './rechecks.ts'
import { makeReordering } from './reordering.ts'
import type { Repair } from './repair.ts'
import type { Room } from './room.ts'
import type { Hearing, Roster } from './roster.ts'

interface FollowPeersParts extends Pick<Memberships, 'recheckUser'> {
  readonly peers: Peers
  readonly roster: Pick<Roster, 'room' | 'users'>
  readonly repair: Pick<Repair, 'hurry'>
  readonly deliver: (entry: Entry) => void
  readonly logger: Logger
}

interface Followers {
  /** Delivers an entry that was stored here, and tells the other brokers. */
  announce(entry: Entry): void
  stop(): void
}

export function followPeers(parts: FollowPeersParts): Followers {
  const { peers, roster, repair, deliver, recheckUser, logger } = parts
  const reordering = makeReordering({
    headOf: (conversation) => roster.room(conversation)?.head,
    deliver,
    mayCome: peers.isUp,
  })
  const rechecks = makeRechecks({
    roster,
    recheckUser,
    hears: peers.isUp,
    failed: (err) => logger.debug({ err }, 'memberships wait for the store'),
  })
  peers.onEntry(reordering.take)
  peers.onMissed(() => {
    repair.hurry()
    rechecks.begin()
  })
  return {
    announce(entry) {
      peers.stored(entry)
      reordering.take(entry)
    },
    stop() {
      reordering.close()
      rechecks.stop()
    },
  }
}

/** Listens to what concerns those who are here. Nobody who connects waits for a conversation: its
 * head is read again when it is listened to, so that nothing falls between. */
export function makeHearing(peers: Peers, check: (room: Room) => void): Hearing {
  if (peers.isAlone) return unheard
  return {
    userCame: (user) => peers.listen({ user }),
    userWent: (user) => peers.unlisten({ user }),
    roomOpened(room) {
      const { id } = room.conversation
      void peers.listen({ conversation: id }).then(() => check(room))
    },
    roomClosed: ({ conversation }) => peers.unlisten({ conversation: conversation.id }),
  }
}

const unheard: Hearing = {
  userCame: () => undefined,
  userWent() {},
  roomOpened() {},
  roomClosed() {},
}
