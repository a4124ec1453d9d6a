// What one of several processes may take.

import t from 'tap'
import { shareOf } from '../../cli/worker-limits.ts'
import { loadSettings } from '../../config/load.ts'

t.test('limits on connections are divided, rounded up; others are for each', async (t) => {
  const flags = { connectionsMax: '1001', connectsPerAddressBurst: '1' }
  const { settings } = loadSettings({ flags, environment: {}, readFile: () => '' })
  const share = shareOf(settings, 4)
  t.equal(share.connectionsMax, 251)
  t.equal(share.connectsPerAddressBurst, 1)
  t.equal(share.drainClientsPerSecond, 125)
  t.equal(share.appendQueueMax, settings.appendQueueMax)
})
