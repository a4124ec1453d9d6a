// What a session stores of itself.

import t from 'tap'
import { makeWorld, settle } from './support/devices.ts'

const filter = (text: string) => [{ filter: text, qos: 1 as const }]

t.test('what a connection stores late undoes nothing its successor was told', async (t) => {
  const { memory, engine, connect } = makeWorld(t)
  memory.group('town', 'bob')
  const { link } = await connect('bob/phone', { filters: ['g/+/msg'] })
  const { session } = link
  if (session === undefined) return t.fail('no session')
  const late = engine.unsubscribe(session, ['g/+/msg'])
  // Closed before its turn to store: the client was not answered.
  session.close()
  await late
  await settle()
  t.same(memory.devices.get('bob/phone')?.subscriptions, [{ filter: 'g/+/msg', qos: 1 }])
})

t.test('a device that was forgotten is not brought back by a late SUBSCRIBE', async (t) => {
  const { memory, engine, connect } = makeWorld(t)
  memory.group('town', 'bob')
  const { link } = await connect('bob/phone')
  const { session } = link
  if (session === undefined) return t.fail('no session')
  let proceed = () => {}
  const gate = new Promise<void>((resolve) => {
    proceed = resolve
  })
  memory.pace = (port) => (port === 'find' ? gate : Promise.resolve())
  // The clean connection holds the device's turn; the old one's SUBSCRIBE waits behind it.
  const clean = connect('bob/phone', { durable: false })
  await settle()
  const late = engine.subscribe(session, filter('g/+/msg'))
  proceed()
  await Promise.all([clean, late])
  await settle()
  t.equal(memory.devices.get('bob/phone'), undefined)
})
