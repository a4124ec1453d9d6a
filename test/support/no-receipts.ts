// For brokers of tests in which nobody reads or types.

import type { BrokerParts } from '../../broker/broker.ts'

export const noReceipts: BrokerParts['receipts'] = {
  read: () => Promise.reject(new Error('nothing is read in this test')),
  typing: { tell() {}, dropped: () => 0 },
}
