// What this process and its chat services tell who scrapes.

import type { Engine } from '../services/delivery/engine.ts'
import type { Log } from '../services/log/log.ts'
import type { Readings } from '../services/metrics/catalogue.ts'

/** Their metrics as they are now. Looks at all connected users. */
export function readChat({
  engine,
  log,
}: {
  readonly engine: Pick<Engine, 'census'>
  readonly log: Pick<Log, 'waiting' | 'meters' | 'persistence'>
}) {
  const { users, rooms, sessions } = engine.census()
  const { messages, bytes } = log.waiting()
  return {
    parley_users_connected: users,
    parley_conversations_open: rooms,
    parley_sessions: Object.entries(sessions).map(([state, value]) => ({
      labels: { state },
      value,
    })),
    parley_append_queue_messages: messages,
    parley_append_queue_bytes: bytes,
    parley_append_batch_messages: log.meters.batchMessages,
    parley_append_commit_seconds: log.meters.commitMs,
    parley_workers: 1,
    parley_store_working: log.persistence.failure() === undefined ? 1 : 0,
  } satisfies Partial<Readings>
}
