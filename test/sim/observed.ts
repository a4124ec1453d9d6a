// The store with a witness: what it commits is told to the checker in the same step.

import type { DeliveryChecker, DeviceFacts } from './delivery-checker.ts'
import { keyOf } from './device.ts'
import type { LogChecker } from './log-checker.ts'
import type { Memory, Ports } from './store.ts'

export interface Witness {
  readonly log: LogChecker
  readonly deliveries: DeliveryChecker
  readonly report: (violation: string) => void
  readonly trace: (line: string) => void
  readonly batchMax: number
  /** The device of a name, `user/device`. */
  readonly facts: (name: string) => DeviceFacts | undefined
  /** A user was removed from a conversation; the server does not know that it is done yet. */
  readonly removed: (user: string, conversation: string) => void
}

/** The ports, with a witness of their commits. `memory` is asked what became of a write. */
export function observe(ports: Ports, memory: Memory, witness: Witness): Ports {
  const { log, deliveries, report } = witness

  const tellJoin = async (conversation: string, users: readonly string[]) => {
    for (const user of users) {
      const membership = await memory.ports.membership(conversation, user)
      if (membership) deliveries.joined(user, conversation, membership.joinedSeq)
    }
  }

  const tellCursors = (name: string, conversations: readonly string[]) => {
    const facts = witness.facts(name)
    const [user = '', device = ''] = name.split('/')
    for (const id of conversations) {
      const cursor = memory.cursorOf(user, device, id)
      if (facts && cursor) witness.trace(`the cursor of ${name} in ${id} is ${cursor.acked}`)
      if (facts && cursor) deliveries.cursorStored(facts, id, cursor.acked)
    }
  }

  return {
    ...ports,
    async append(batch, at) {
      const outcomes = await ports.append(batch, at)
      if (batch.length > witness.batchMax) report(`a batch of ${batch.length} entries`)
      for (const [index, entry] of batch.entries()) {
        const outcome = outcomes[index]
        if (outcome?.kind !== 'appended') continue
        const { conversation, body } = entry
        const key = keyOf((JSON.parse(`{${body.fields}}`) as { text: string }).text)
        witness.trace(`${conversation} ${outcome.seq} is ${key}`)
        log.committed(entry, key)
        deliveries.committed({ conversation, seq: outcome.seq, key })
      }
      return outcomes
    },
    async createGroup(group) {
      const made = await ports.createGroup(group)
      if (made.kind === 'created') {
        await tellJoin(`g:${group.group}`, [group.owner, ...group.members])
      }
      return made
    },
    async addMember(group, user) {
      const outcome = await ports.addMember(group, user)
      if (outcome === 'added') await tellJoin(`g:${group}`, [user])
      return outcome
    },
    async removeMember(group, user) {
      const outcome = await ports.removeMember(group, user)
      if (outcome === 'removed') witness.removed(user, `g:${group}`)
      return outcome
    },
    async ensureDirect(a, b) {
      const known = (await memory.ports.membershipsOf(a)).map(({ conversation }) => conversation.id)
      const conversation = await ports.ensureDirect(a, b)
      if (conversation && !known.includes(conversation.id)) await tellJoin(conversation.id, [a, b])
      return conversation
    },
    async save(state) {
      const isStored = await ports.save(state)
      const ids = (state.cursors ?? []).map(({ conversation }) => conversation)
      tellCursors(`${state.user}/${state.device}`, ids)
      return isStored
    },
    async saveCursors(updates) {
      await ports.saveCursors(updates)
      for (const { user, device, conversation } of updates) {
        tellCursors(`${user}/${device}`, [conversation])
      }
    },
  }
}
