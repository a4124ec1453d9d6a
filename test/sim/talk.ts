// What users say: messages of every QoS, with and without an id, to groups and to each other.

import { directConversation, groupConversation } from '../../protocol/ids.ts'
import type { Device, Message } from './device.ts'
import type { Random } from './random.ts'
import type { Qos } from './wire.ts'

export interface Speaker {
  /** Lets a device say something somewhere; `isSure`: at QoS 1 and with an id. */
  say(device: Device, to: Address, isSure?: boolean): void
}

/** A group, or a user. */
export type Address = { readonly group: string } | { readonly peer: string }

export function makeSpeaker(random: Random): Speaker {
  let count = 0

  /** Text, JSON with or without an id; some of it long. */
  const payloadOf = (key: string, hasId: boolean) => {
    const text = random.chance(80) ? key : `${key} ${'x'.repeat(random.below(200))}`
    if (hasId) return JSON.stringify({ id: key, text })
    return random.chance(50) ? text : JSON.stringify({ text })
  }

  return {
    say(device, to, isSure = false) {
      const { user, name, clean } = device.facts
      const number = ++count
      const key = `m${number}`
      const hasId = isSure || random.chance(50)
      const qos: Qos = isSure ? 1 : random.choose<Qos>(0, 1, 1, 1, 2)
      const isGroup = 'group' in to
      const message: Message = {
        key,
        user,
        device: name,
        conversation: isGroup ? groupConversation(to.group) : directConversation(user, to.peer),
        qos,
        hasId,
        isDurable: !clean,
        number,
        topic: isGroup ? `g/${to.group}/msg` : `u/${to.peer}/msg`,
        payload: payloadOf(key, hasId),
      }
      device.publish(message)
    },
  }
}
