// Typing: tells the other members who listen that somebody is typing. Never stored; what comes too
// often is dropped without a word.

import { makeBoundedMap } from '../../protocol/bounded-map.ts'
import type { Clock } from '../../protocol/clock.ts'
import { makeTypingNotice } from '../../protocol/notices.ts'
import type { Peers } from '../bus/peers.ts'
import type { Engine } from '../delivery/engine.ts'
import type { Member, Room } from '../delivery/room.ts'

export interface Typing {
  /** A device of the member says that its user is typing there, or has stopped. */
  tell(member: Member, typing: boolean): void
  /** How many were dropped because they came too often. */
  dropped(): number
}

interface TypingParts {
  readonly engine: Pick<Engine, 'notifyMember' | 'room'>
  readonly peers: Peers
  readonly clock: Clock
}

/** The same state of one conversation is told again after so long, ms. */
const repeatMs = 1000
/** A user may tell so many at once from all devices, and one more after each `refillMs`. */
const burstMax = 20
const refillMs = 200
/** Conversations whose last state is remembered for a user. */
const rememberedMax = 64
/** Users whose pace is remembered, connected or not: more than type within the few seconds that it
 * takes to have all of `burstMax` again. */
const usersMax = 10_000

interface Pace {
  /** How many may be told now, at `at`. */
  tokens: number
  at: number
  /** The last state told by conversation. */
  readonly told: Map<string, { readonly typing: boolean; readonly at: number }>
}

export function makeTyping(
  { engine, peers, clock }: TypingParts,
  { membersMax }: { readonly membersMax: number },
): Typing {
  const paces = makeBoundedMap<string, Pace>(usersMax)
  let dropped = 0

  const paceOf = (user: string, now: number): Pace => {
    const known = paces.get(user)
    if (known !== undefined) return known
    const pace = { tokens: burstMax, at: now, told: new Map() }
    paces.set(user, pace)
    return pace
  }

  /** Takes a token for this state, if the session may tell it now. */
  const mayTell = (pace: Pace, conversation: string, typing: boolean, now: number): boolean => {
    const last = pace.told.get(conversation)
    if (last?.typing === typing && now - last.at < repeatMs) return false
    const refill = Math.floor((now - pace.at) / refillMs)
    pace.tokens = Math.min(burstMax, pace.tokens + refill)
    pace.at += refill * refillMs
    if (pace.tokens === 0) return false
    pace.tokens--
    if (pace.told.size >= rememberedMax) pace.told.clear()
    pace.told.set(conversation, { typing, at: now })
    return true
  }

  const tellHere = (room: Room, user: string, state: { typing: boolean; at: number }) => {
    const payload = JSON.stringify(makeTypingNotice(room.conversation, user, state))
    for (const other of room.members) {
      if (other.user !== user) engine.notifyMember(other, 'typing', payload)
    }
  }

  peers.on('typing', ({ conversation, user, typing, at }) => {
    const room = engine.room(conversation)
    if (room !== undefined && room.memberCount <= membersMax) tellHere(room, user, { typing, at })
  })

  return {
    tell(member, typing) {
      const { room, user } = member
      if (room.memberCount > membersMax) return
      const at = clock()
      if (!mayTell(paceOf(user, at), room.conversation.id, typing, at)) {
        dropped++
        return
      }
      const { id } = room.conversation
      peers.tell({ conversation: id }, { type: 'typing', conversation: id, user, typing, at })
      tellHere(room, user, { typing, at })
    },
    dropped: () => dropped,
  }
}
