// The Receive Maximum of a client, shared by both lanes.

import t from 'tap'
import { Quota } from '../../../services/delivery/quota.ts'

t.test('both lanes take from one quota [MQTT5-3.3.4-9]', async (t) => {
  const quota = new Quota(2)
  quota.take()
  quota.take()
  t.equal(quota.free(), 0)
  quota.giveBack('plain')
  t.equal(quota.free(), 1)
})

t.test('what one lane gives back is offered to the other one', async (t) => {
  const quota = new Quota(1)
  const told: string[] = []
  quota.onFree('chat', () => told.push('chat'))
  quota.onFree('plain', () => told.push('plain'))
  quota.take()
  quota.giveBack('plain')
  t.same(told, ['chat'])
  quota.take()
  quota.giveBack('chat')
  t.same(told, ['chat', 'plain'])
})
