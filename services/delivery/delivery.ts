// One entry on its way to many devices: what they share, so that the work for it is done once.

import type { Conversation, Entry } from '../../protocol/entry.ts'
import { groupTopic, userTopic } from '../../protocol/topics.ts'
import type { Quota } from './quota.ts'

/** An entry with its conversation, and a place where the broker keeps the bytes it encoded. */
export class Delivery {
  readonly entry: Entry
  readonly conversation: Conversation
  /** The encoded packets by addressee and QoS; owned by the broker, shared by all receivers. */
  readonly packets: (Buffer | undefined)[] = []
  /** The same for clients of level 5, by what is said in them; absent while there is none. */
  variants: Map<string, Buffer> | undefined

  constructor(conversation: Conversation, entry: Entry) {
    this.conversation = conversation
    this.entry = entry
  }

  /** Which of the topics of this entry `user` gets it under: 0, or 1 for the second user of a
   * direct conversation. */
  addressee(user: string): 0 | 1 {
    const { conversation } = this
    return conversation.kind === 'direct' && conversation.users[0] !== user ? 1 : 0
  }

  /** The topic under which `user` gets the entry. */
  topicFor(user: string): string {
    return messageTopic(this.conversation, user)
  }
}

/** The topic under which a user gets the messages of a conversation. */
export function messageTopic(conversation: Conversation, user: string): string {
  return conversation.kind === 'group'
    ? groupTopic(conversation.group, 'msg')
    : userTopic(user, 'msg')
}

/** The connection behind a session, as the delivery engine sees it. */
export interface Link {
  /** What the client takes at a time; absent if it has not said. */
  readonly quota?: Quota | undefined
  /** Whether an entry is not larger than what the client takes; absent if it takes any. */
  takes?(delivery: Delivery, qos: 0 | 1): boolean
  /** Writes an entry to the session's device; the bytes count as unsent until the socket has taken
   * them. A packet id of 0 means QoS 0. */
  deliver(delivery: Delivery, packetId: number, dup: boolean): void
  /** Writes a QoS 0 message that is not in the log: an event, an explanation. */
  notify(topic: string, payload: string): void
  /** Bytes written that the socket has not taken yet. The link calls `session.drained()` when they
   * fall after having been many. */
  unsentBytes(): number
  /** Ends the connection because another one took its place. */
  takenOver(): void
}
