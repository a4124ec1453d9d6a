// The SQLite store keeps the contract of every store port.

import t from 'tap'
import { testConversationStore } from '../../contract/conversation-store.ts'
import { testDevicePackets } from '../../contract/device-packets.ts'
import { testDeviceStore } from '../../contract/device-store.ts'
import { testJobQueue } from '../../contract/job-queue.ts'
import { testLogStore } from '../../contract/log-store.ts'
import { testReceiptStore } from '../../contract/receipt-store.ts'
import { testUserStore } from '../../contract/user-store.ts'
import { forEachEngine, openStore } from './engines.ts'

await forEachEngine(t, async (t, engine) => {
  const makeEngine = (t: Parameters<typeof testLogStore>[0]) => openStore(t, engine)
  await testLogStore(t, makeEngine)
  await testDevicePackets(t, makeEngine)
  await testConversationStore(t, makeEngine)
  await testDeviceStore(t, makeEngine)
  await testUserStore(t, makeEngine)
  await testReceiptStore(t, makeEngine)
  await testJobQueue(t, async (t) => (await makeEngine(t)).jobs)
})
