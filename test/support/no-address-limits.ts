// For brokers of tests in which it does not matter where a client comes from.

import type { BrokerLimits } from '../../broker/context.ts'

export const noAddressLimits = {
  connectionsPerAddressMax: Number.POSITIVE_INFINITY,
  connectsPerAddressPerSecond: 1,
  connectsPerAddressBurst: Number.POSITIVE_INFINITY,
  connectsPerSecond: 1,
  connectsBurst: Number.POSITIVE_INFINITY,
  limitsExempt: [],
  publishesPerSecond: 0,
  publishesBurst: 1,
  allowedOrigins: [],
  webSocketPingMs: 0,
} satisfies Partial<BrokerLimits>
