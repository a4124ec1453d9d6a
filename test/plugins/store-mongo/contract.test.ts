// The MongoDB store keeps the contract of every store port; the log by the rules of write-once
// positions.

import t from 'tap'
import { testConversationStore } from '../../contract/conversation-store.ts'
import { testDevicePackets } from '../../contract/device-packets.ts'
import { testDeviceStore } from '../../contract/device-store.ts'
import { testLogStore } from '../../contract/log-store.ts'
import { testReceiptStore } from '../../contract/receipt-store.ts'
import { testUserStore } from '../../contract/user-store.ts'
import { skipWithoutMongo, startMongo } from '../../support/mongo.ts'
import { openStore } from './engines.ts'

const skip = skipWithoutMongo()

t.test('with MongoDB', { skip }, async (t) => {
  const mongo = await startMongo(t)
  const makeEngine = (t: Parameters<typeof testUserStore>[0]) => openStore(t, mongo.freshDatabase())
  await testUserStore(t, makeEngine)
  await testConversationStore(t, makeEngine)
  await testDeviceStore(t, makeEngine)
  await testReceiptStore(t, makeEngine)
  await testLogStore(t, makeEngine)
  await testDevicePackets(t, makeEngine)
})
