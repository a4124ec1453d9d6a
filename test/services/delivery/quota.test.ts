// The Receive Maximum of a client, shared by both lanes.

import t from 'tap'
import { Quota } from '../../../services/delivery/quota.ts'

t.test('both lanes take from one quota [MQTT5-3.3.4-9]', async (t) => {
  const quota = new Quota(2)
  quota.take('chat')
  quota.take('plain')
  t.same([quota.free('chat'), quota.free('plain')], [0, 0])
  quota.giveBack('plain')
  t.same([quota.free('chat'), quota.free('plain')], [1, 1])
})

t.test('what one lane gives back is offered to the other one', async (t) => {
  const quota = new Quota(1)
  const told: string[] = []
  quota.onFree('chat', () => told.push('chat'))
  quota.onFree('plain', () => told.push('plain'))
  quota.take('plain')
  quota.giveBack('plain')
  t.same(told, ['chat'])
  quota.take('chat')
  quota.giveBack('chat')
  t.same(told, ['chat', 'plain'])
})

t.test('a place is kept for chat while it reads the log', async (t) => {
  const quota = new Quota(1)
  let offered = 0
  quota.onFree('plain', () => offered++)
  quota.onFree('chat', () => quota.keepForChat())
  quota.take('plain')
  quota.giveBack('plain')
  t.same([quota.free('chat'), quota.free('plain')], [1, 0])
  quota.take('chat')
  quota.giveBack('chat')
  t.same([quota.free('plain'), offered], [1, 1], 'it was taken, and is kept no longer')
  quota.take('plain')
  quota.giveBack('plain')
  quota.chatIsDone()
  t.same([quota.free('plain'), offered], [1, 2], 'it was not needed')
  quota.chatIsDone()
  t.equal(offered, 2)
})
