// Two users who chat while somebody else misbehaves: they must notice nothing.

import type { Test } from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import type { TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

export interface Bystanders {
  /** One message of carol to dave arrives, and both have heard nothing but what they said. */
  areUnharmed(t: Test): Promise<void>
}

/** What they need of a server, in this process or another. */
type Host = Pick<TestServer, 'mqttPort' | 'httpPort' | 'token' | 'addGroup'>

type Owner = Pick<Test, 'teardown'>

/** Connects carol and dave, who listen to everything they may hear, and share the group `club`. */
export async function makeBystanders(t: Owner, server: Host): Promise<Bystanders> {
  await server.addGroup('club', ['carol', 'dave'])
  const carol = await connectDevice(t, server, { user: 'carol', id: 'phone' })
  const dave = await connectDevice(t, server, { user: 'dave', id: 'phone' })
  await carol.mqtt.subscribeAsync(['u/carol/#', 'g/+/#'], { qos: 1 })
  await dave.mqtt.subscribeAsync(['u/dave/#', 'g/+/#'], { qos: 1 })
  const said: string[] = []
  return {
    async areUnharmed(t) {
      const text = `message ${said.length + 1}`
      said.push(text)
      const topic = said.length % 2 === 0 ? 'u/dave/msg' : 'g/club/msg'
      await carol.mqtt.publishAsync(topic, text, { qos: 1 })
      const count = said.length
      await until(`the bystanders have ${text}`, () =>
        [carol, dave].every((client) => client.messages.length >= count),
      )
      t.same(dave.texts(), said, 'dave heard exactly what carol said')
      t.same(carol.texts(), said, 'so did her own device')
    },
  }
}
