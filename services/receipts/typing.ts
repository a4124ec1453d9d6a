// Typing: tells the other members who listen that somebody is typing. Never stored; what comes too
// often is dropped without a word.

import type { Clock } from '../../protocol/clock.ts'
import { makeTypingNotice } from '../../protocol/notices.ts'
import type { Engine } from '../delivery/engine.ts'
import type { Member } from '../delivery/room.ts'
import type { Session } from '../delivery/session.ts'

export interface Typing {
  /** A device says that its user is typing there, or has stopped. */
  tell(session: Session, member: Member, typing: boolean): void
  /** How many were dropped because they came too often. */
  dropped(): number
}

interface TypingParts {
  readonly engine: Pick<Engine, 'notifyMember'>
  readonly clock: Clock
}

/** The same state of one conversation is told again after so long, ms. */
const repeatMs = 1000
/** A session may tell so many at once, and one more after each `refillMs`. */
const burstMax = 20
const refillMs = 200
/** Conversations whose last state is remembered for a session. */
const rememberedMax = 64

interface Pace {
  /** How many may be told now, at `at`. */
  tokens: number
  at: number
  /** The last state told by conversation. */
  readonly told: Map<string, { readonly typing: boolean; readonly at: number }>
}

export function makeTyping(
  { engine, clock }: TypingParts,
  { membersMax }: { readonly membersMax: number },
): Typing {
  const paces = new WeakMap<Session, Pace>()
  let dropped = 0

  const paceOf = (session: Session, now: number): Pace => {
    const pace = paces.get(session) ?? { tokens: burstMax, at: now, told: new Map() }
    paces.set(session, pace)
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

  return {
    tell(session, member, typing) {
      const { room, user } = member
      if (room.memberCount > membersMax) return
      const at = clock()
      if (!mayTell(paceOf(session, at), room.conversation.id, typing, at)) {
        dropped++
        return
      }
      const payload = JSON.stringify(makeTypingNotice(room.conversation, user, { typing, at }))
      for (const other of room.members) {
        if (other.user !== user) engine.notifyMember(other, 'typing', payload)
      }
    },
    dropped: () => dropped,
  }
}
