// A broker that is to be killed, with devices that leave wills. Says when they are connected.

import { introduce, makePlainBroker } from './plain-broker.ts'

const [, , url = ''] = process.argv
const lane = await makePlainBroker({ teardown: () => {} }, url)
const wills = [
  { id: 'gone', delay: 0 },
  { id: 'back', delay: 0 },
  { id: 'late', delay: 1 },
]
const devices = wills.map(({ id, delay }) => {
  const properties = { willDelayInterval: delay }
  const payload = Buffer.from(id)
  const will = { topic: `t/will/${id}`, payload, qos: 1 as const, retain: false, properties }
  return introduce(lane, `doomed/${id}`, { will })
})
await Promise.all(devices.map(({ plain }) => plain.ready))
process.stdout.write('connected\n')
