// The contract of DeviceStore (services/delivery/ports.ts), for every engine.

import type { Test } from 'tap'
import type { Cursor } from '../../services/delivery/ports.ts'
import type { Engine, MakeEngine } from './engine.ts'
import { town, withGroup } from './engine.ts'

/** Tests every sentence of the port's documentation. */
export async function testDeviceStore(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('DeviceStore: devices', (t) => testDevices(t, makeEngine))
  await t.test('DeviceStore: cursors', (t) => testCursors(t, makeEngine))
  await t.test('DeviceStore: expiry', (t) => testExpiry(t, makeEngine))
}

async function testExpiry(t: Test, makeEngine: MakeEngine): Promise<void> {
  const later = Date.now() + 1_000_000
  const seenBefore = { lastSeen: later, end: 0 }
  const names = (...devices: string[]) => devices.map((device) => ({ user: 'alice', device }))

  await t.test('forgets devices that were last seen before a time, with cursors', async (t) => {
    const { devices } = await withPhone(t, makeEngine)
    const state = { user: 'alice', subscriptions, cursors: [cursor('g:a', 1), cursor('g:b', 1)] }
    for (const device of ['laptop', 'tablet']) await devices.save({ ...state, device })
    await devices.saveLastSeen(names('phone', 'tablet', 'unknown'), later)
    t.strictSame(await devices.expire(seenBefore, 10), names('laptop'))
    t.equal(await devices.find('alice', 'laptop'), undefined)
    t.not(await devices.find('alice', 'tablet'), undefined)
    await devices.save({ user: 'alice', device: 'laptop', subscriptions })
    t.strictSame((await devices.find('alice', 'laptop'))?.cursors, [])
  })

  await t.test('forgets as many as asked for, and says which', async (t) => {
    const { devices } = await withPhone(t, makeEngine)
    for (const device of ['laptop', 'tablet']) {
      await devices.save({ user: 'alice', device, subscriptions })
    }
    const first = await devices.expire(seenBefore, 2)
    t.equal(first.length, 2)
    const second = await devices.expire(seenBefore, 2)
    t.equal(second.length, 1)
    t.strictSame(
      new Set([...first, ...second].map(({ user, device }) => `${user}/${device}`)),
      new Set(['alice/phone', 'alice/laptop', 'alice/tablet']),
    )
    t.strictSame(await devices.expire(seenBefore, 2), [])
  })

  await t.test('keeps how long a session lasts, until it is said anew', async (t) => {
    const { devices } = await withPhone(t, makeEngine)
    const state = { user: 'alice', device: 'phone', subscriptions }
    await devices.save({ ...state, expiryMs: 5000 })
    t.equal((await devices.find('alice', 'phone'))?.expiryMs, 5000)
    await devices.save(state)
    t.equal((await devices.find('alice', 'phone'))?.expiryMs, undefined)
  })

  await t.test('forgets devices whose session has ended, unless they are back', async (t) => {
    const { devices } = await withPhone(t, makeEngine)
    for (const device of ['laptop', 'tablet']) {
      await devices.save({ user: 'alice', device, subscriptions })
    }
    for (const [index, name] of names('phone', 'laptop', 'tablet', 'unknown').entries()) {
      await devices.endAt(name, 1000 + index)
    }
    t.equal((await devices.find('alice', 'tablet'))?.endsAt, 1002)
    await devices.save({ user: 'alice', device: 'tablet', subscriptions })
    t.equal((await devices.find('alice', 'tablet'))?.endsAt, undefined, 'it is back')
    t.strictSame(await devices.expire({ lastSeen: 0, end: 1001 }, 10), names('phone'))
    t.strictSame(await devices.expire({ lastSeen: 0, end: later }, 10), names('laptop'))
  })

  await t.test('when a device was seen never moves back', async (t) => {
    const { devices } = await withPhone(t, makeEngine)
    await devices.saveLastSeen(names('phone'), later)
    await devices.saveLastSeen(names('phone'), 1)
    t.strictSame(await devices.expire(seenBefore, 2), [])
  })
}

const subscriptions = [
  { filter: 'u/alice/#', qos: 1 },
  { filter: 'g/+/msg', qos: 0 },
] as const

/** An engine where alice is in `town`, `g:a` and `g:b`, with a device `phone` known. */
async function withPhone(t: Test, makeEngine: MakeEngine): Promise<Engine> {
  const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
  for (const group of ['a', 'b']) {
    await engine.conversations.createGroup({ group, title: '', owner: 'alice', members: [] })
  }
  await engine.devices.save({ user: 'alice', device: 'phone', subscriptions })
  return engine
}

function cursor(conversation: string, acked: number, sent = acked): Cursor {
  return { conversation, acked, sent }
}

async function cursorsOf({ devices }: Engine, user = 'alice', device = 'phone') {
  const found = await devices.find(user, device)
  return [...(found?.cursors ?? [])].sort((a, b) => (a.conversation < b.conversation ? -1 : 1))
}

async function testDevices(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('finds no device that was never seen', async (t) => {
    const { devices } = await withPhone(t, makeEngine)
    t.equal(await devices.find('alice', 'laptop'), undefined)
    t.equal(await devices.find('bob', 'phone'), undefined, 'nor that of another user')
    t.equal(await devices.find('nobody', 'phone'), undefined)
  })

  await t.test('stores exactly the given subscriptions', async (t) => {
    const { devices } = await withPhone(t, makeEngine)
    t.strictSame(await devices.find('alice', 'phone'), { subscriptions, cursors: [] })
    const fewer = subscriptions.slice(1)
    await devices.save({ user: 'alice', device: 'phone', subscriptions: fewer })
    t.strictSame((await devices.find('alice', 'phone'))?.subscriptions, fewer)
    await devices.save({ user: 'alice', device: 'phone', subscriptions: [] })
    t.strictSame(await devices.find('alice', 'phone'), { subscriptions: [], cursors: [] })
  })

  await t.test('stores a new device only while its user has room for it', async (t) => {
    const { devices } = await withPhone(t, makeEngine)
    const laptop = { user: 'alice', device: 'laptop', subscriptions }
    const cursors = [cursor('g:a', 1)]
    t.equal(await devices.save({ ...laptop, cursors, devicesMax: 1 }), false)
    t.equal(await devices.find('alice', 'laptop'), undefined)
    const phone = { ...laptop, device: 'phone', devicesMax: 1 }
    t.equal(await devices.save(phone), true, 'it is not new')
    t.equal(await devices.save({ ...phone, user: 'bob' }), true, 'each user has room')
    t.equal(await devices.save({ ...laptop, devicesMax: 2 }), true)
    t.equal(await devices.save({ ...phone, devicesMax: 1 }), true, 'known devices stay')
    await devices.forget('alice', 'laptop')
    const [first, second] = await Promise.all(
      ['tablet', 'watch'].map((device) => devices.save({ ...phone, device, devicesMax: 2 })),
    )
    t.not(first, second, 'one of two at a time')
  })

  await t.test('stores subscriptions with their options', async (t) => {
    const { devices } = await withPhone(t, makeEngine)
    const rich = [
      { filter: 'u/alice/#', qos: 1, identifier: 1 },
      { filter: 't/a', qos: 2, noLocal: true, retainAsPublished: true, identifier: 268_435_455 },
      { filter: 't/b', qos: 0, noLocal: true },
    ] as const
    await devices.save({ user: 'alice', device: 'phone', subscriptions: rich })
    t.strictSame((await devices.find('alice', 'phone'))?.subscriptions, rich)
  })

  await t.test(
    'sets the given cursors up or down, removes the dropped, leaves others',
    async (t) => {
      const engine = await withPhone(t, makeEngine)
      const phone = { user: 'alice', device: 'phone', subscriptions }
      const first = [cursor('g:a', 3, 5), cursor('g:b', 4), cursor(town, 5)]
      await engine.devices.save({ ...phone, cursors: first })
      t.strictSame(await cursorsOf(engine), first)
      await engine.devices.save({ ...phone, cursors: [cursor('g:a', 2, 9)], dropped: ['g:b'] })
      t.strictSame(await cursorsOf(engine), [cursor('g:a', 2, 9), cursor(town, 5)])
      await engine.devices.save({ ...phone, dropped: ['g:b', 'g:nowhere'] })
      t.strictSame(await cursorsOf(engine), [cursor('g:a', 2, 9), cursor(town, 5)])
    },
  )

  await t.test('makes no cursor in a conversation the user is not in', async (t) => {
    const engine = await withPhone(t, makeEngine)
    await engine.devices.save({
      user: 'bob',
      device: 'phone',
      subscriptions: [],
      cursors: [cursor('g:a', 1), cursor(town, 1), cursor('g:nowhere', 1)],
    })
    t.strictSame(await cursorsOf(engine, 'bob'), [cursor(town, 1)])
  })

  await t.test('changes nothing when a cursor breaks the rules', async (t) => {
    const engine = await withPhone(t, makeEngine)
    const cursors = [cursor('g:a', 1), cursor('g:b', 2, 1)]
    await t.rejects(
      engine.devices.save({ user: 'alice', device: 'phone', subscriptions: [], cursors }),
    )
    t.strictSame(await engine.devices.find('alice', 'phone'), { subscriptions, cursors: [] })
  })

  await t.test('forgets a device with its cursors, and no other', async (t) => {
    const engine = await withPhone(t, makeEngine)
    const cursors = [cursor('g:a', 1)]
    for (const device of ['phone', 'laptop']) {
      await engine.devices.save({ user: 'alice', device, subscriptions, cursors })
    }
    await engine.devices.forget('alice', 'phone')
    t.equal(await engine.devices.find('alice', 'phone'), undefined)
    t.strictSame(await engine.devices.find('alice', 'laptop'), { subscriptions, cursors })
    await engine.devices.forget('alice', 'phone')
    await engine.devices.forget('nobody', 'phone')
    await engine.devices.save({ user: 'alice', device: 'phone', subscriptions })
    t.strictSame(await cursorsOf(engine), [], 'the cursors do not come back')
  })
}

async function testCursors(t: Test, makeEngine: MakeEngine): Promise<void> {
  const phone = { user: 'alice', device: 'phone' }

  await t.test('writes many at once', async (t) => {
    const engine = await withPhone(t, makeEngine)
    await engine.devices.save({ user: 'bob', device: 'pad', subscriptions: [] })
    await engine.devices.saveCursors([
      { ...phone, ...cursor('g:a', 1, 2) },
      { ...phone, ...cursor(town, 3) },
      { user: 'bob', device: 'pad', ...cursor(town, 7, 9) },
    ])
    t.strictSame(await cursorsOf(engine), [cursor('g:a', 1, 2), cursor(town, 3)])
    t.strictSame(await cursorsOf(engine, 'bob', 'pad'), [cursor(town, 7, 9)])
    await engine.devices.saveCursors([])
  })

  await t.test('never moves a cursor down', async (t) => {
    const engine = await withPhone(t, makeEngine)
    const save = async (acked: number, sent: number): Promise<Cursor | undefined> => {
      await engine.devices.saveCursors([{ ...phone, ...cursor('g:a', acked, sent) }])
      return (await cursorsOf(engine))[0]
    }
    t.strictSame(await save(5, 10), cursor('g:a', 5, 10))
    t.strictSame(await save(4, 9), cursor('g:a', 5, 10))
    t.strictSame(await save(6, 8), cursor('g:a', 6, 10))
    t.strictSame(await save(2, 12), cursor('g:a', 6, 12))
    t.strictSame(await save(12, 12), cursor('g:a', 12, 12))
  })

  await t.test('keeps the highest of one device given twice', async (t) => {
    const engine = await withPhone(t, makeEngine)
    await engine.devices.saveCursors([
      { ...phone, ...cursor('g:a', 7) },
      { ...phone, ...cursor('g:a', 3) },
    ])
    t.strictSame(await cursorsOf(engine), [cursor('g:a', 7)])
  })

  await t.test('skips unknown devices and conversations the user has left', async (t) => {
    const engine = await withPhone(t, makeEngine)
    await engine.devices.save({ user: 'bob', device: 'pad', subscriptions: [] })
    await engine.conversations.removeMember('town', 'bob')
    await engine.devices.saveCursors([
      { user: 'bob', device: 'pad', ...cursor(town, 1) },
      { user: 'alice', device: 'unknown', ...cursor('g:a', 1) },
      { user: 'nobody', device: 'phone', ...cursor('g:a', 1) },
      { ...phone, ...cursor('g:nowhere', 1) },
      { ...phone, ...cursor('g:a', 4) },
    ])
    t.strictSame(await cursorsOf(engine, 'bob', 'pad'), [])
    t.equal(await engine.devices.find('alice', 'unknown'), undefined)
    t.strictSame(await cursorsOf(engine), [cursor('g:a', 4)], 'and writes the others')
  })

  await t.test('writes all or none', async (t) => {
    const engine = await withPhone(t, makeEngine)
    const broken = [
      { ...phone, ...cursor('g:a', 1) },
      { ...phone, ...cursor('g:b', 5, 4) },
    ]
    await t.rejects(engine.devices.saveCursors(broken))
    t.strictSame(await cursorsOf(engine), [])
  })
}
