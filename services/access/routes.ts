// May this session publish there, and to which conversation does it go? Answered from memory for
// conversations the user is a member of; a first message to a peer makes the conversation.

import type { ErrorCode } from '../../protocol/errors.ts'
import { Refusal } from '../../protocol/errors.ts'
import { directConversation, groupConversation } from '../../protocol/ids.ts'
import type { ConversationTopic, PublishTopic } from '../../protocol/topics.ts'
import type { Conversations } from '../conversations/conversations.ts'
import type { Engine } from '../delivery/engine.ts'
import type { Member } from '../delivery/room.ts'
import type { Session } from '../delivery/session.ts'

export type Route =
  | { readonly kind: 'member'; readonly member: Member }
  | { readonly kind: 'refused'; readonly code: ErrorCode }

export interface Routes {
  /** Where a publish of the session goes. A promise only when the store must be asked; it rejects
   * with `StoreFailure`. */
  resolve(session: Session, topic: PublishTopic): Route | Promise<Route>
  /** The user's membership in the conversation of a topic, from memory; undefined when there is
   * none. Makes nothing. */
  find(session: Session, topic: ConversationTopic): Member | undefined
}

interface RoutesParts {
  readonly engine: Engine
  readonly conversations: Conversations
  /** Does store work, waiting while the store fails as a message does. */
  readonly attempt: <Result>(work: () => Promise<Result>) => Promise<Result>
}

export function makeRoutes({ engine, conversations, attempt }: RoutesParts): Routes {
  const known = (session: Session, conversation: string): Route | undefined => {
    const member = engine.member(session, conversation)
    return member && { kind: 'member', member }
  }

  const join = async (user: string, peer: string): Promise<string> => {
    const { id } = await conversations.direct(user, peer)
    // The publisher last: until then its messages come here, and the peer is told for certain.
    for (const each of [peer, user]) {
      await engine.membershipChanged({ kind: 'joined', conversation: id, user: each })
    }
    return id
  }

  const open = async (session: Session, peer: string): Promise<Route> => {
    try {
      const id = await attempt(() => join(session.user, peer))
      return known(session, id) ?? { kind: 'refused', code: 'not-a-member' }
    } catch (error) {
      if (error instanceof Refusal) return { kind: 'refused', code: error.code }
      throw error
    }
  }

  return {
    find: (session, topic) =>
      engine.member(
        session,
        topic.kind === 'group'
          ? groupConversation(topic.group)
          : directConversation(session.user, topic.peer),
      ),
    resolve(session, topic) {
      switch (topic.kind) {
        case 'group': {
          const id = groupConversation(topic.group)
          return known(session, id) ?? { kind: 'refused', code: 'not-a-member' }
        }
        case 'direct': {
          const id = directConversation(session.user, topic.peer)
          return known(session, id) ?? open(session, topic.peer)
        }
        default:
          return { kind: 'refused', code: 'unknown-topic' }
      }
    },
  }
}
