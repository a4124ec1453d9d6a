// One entry on its way to many devices: what they share, so that the work for it is done once.

import type { Conversation, Entry } from '../../protocol/entry.ts'
import { groupTopic, userTopic } from '../../protocol/topics.ts'

/** An entry with its conversation, and a place where the broker keeps the bytes it encoded. */
export class Delivery {
  readonly entry: Entry
  readonly conversation: Conversation
  /** The encoded packets by topic; owned by the broker, shared by all receivers of the entry. */
  readonly packets = new Map<string, Buffer>()

  constructor(conversation: Conversation, entry: Entry) {
    this.conversation = conversation
    this.entry = entry
  }

  /** The topic under which `user` gets the entry. */
  topicFor(user: string): string {
    const { conversation } = this
    return conversation.kind === 'group'
      ? groupTopic(conversation.group, 'msg')
      : userTopic(user, 'msg')
  }
}

/** How one delivery goes to one device. A packet id of 0 means QoS 0. */
export interface Handover {
  readonly topic: string
  readonly packetId: number
  readonly dup: boolean
}

/** The connection behind a session, as the delivery engine sees it. */
export interface Link {
  /** Writes an entry; the bytes count as unsent until the socket has taken them. */
  deliver(delivery: Delivery, handover: Handover): void
  /** Writes a QoS 0 message that is not in the log: an event, an explanation. */
  notify(topic: string, payload: string): void
  /** Bytes written that the socket has not taken yet. The link calls `session.drained()` when they
   * fall after having been many. */
  unsentBytes(): number
  /** Ends the connection because another one took its place. */
  takenOver(): void
}
