// The contract of UserStore (services/auth/ports.ts), for every engine.

import type { Test } from 'tap'
import type { MakeEngine } from './engine.ts'

/** Tests every sentence of the port's documentation. */
export async function testUserStore(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('UserStore', async (t) => {
    await t.test('makes a user once, and keeps the first password hash', async (t) => {
      const { users } = await makeEngine(t)
      t.equal(await users.createUser('alice', '$scrypt$1'), 'created')
      t.equal(await users.createUser('alice', '$scrypt$2'), 'exists')
      t.equal(await users.createUser('alice', undefined), 'exists')
      t.equal(await users.passwordHash('alice'), '$scrypt$1')
    })

    await t.test('tells a user without a password from no user', async (t) => {
      const { users } = await makeEngine(t)
      await users.createUser('token-only', undefined)
      t.equal(await users.passwordHash('token-only'), null)
      t.equal(await users.passwordHash('nobody'), undefined)
      t.equal(await users.userExists('token-only'), true)
      t.equal(await users.userExists('nobody'), false)
    })

    await t.test('takes ids that differ in case only, or in form, for different', async (t) => {
      const { users } = await makeEngine(t)
      t.equal(await users.createUser('José', 'a'), 'created')
      t.equal(await users.createUser('josé', 'b'), 'created')
      t.equal(await users.createUser('Jose\u0301', 'c'), 'created')
      t.equal(await users.passwordHash('José'), 'a')
    })

    await t.test('keeps what a user has chosen', async (t) => {
      const { users } = await makeEngine(t)
      await users.createUser('alice', undefined)
      t.strictSame(await users.settings('alice'), { readReceipts: 'everyone' })
      await users.saveSettings('alice', { readReceipts: 'nobody' })
      t.strictSame(await users.settings('alice'), { readReceipts: 'nobody' })
      await users.saveSettings('alice', { readReceipts: 'everyone' })
      t.strictSame(await users.settings('alice'), { readReceipts: 'everyone' })
      await users.saveSettings('nobody', { readReceipts: 'nobody' })
      t.equal(await users.settings('nobody'), undefined)
    })

    await t.test('makes one user of many concurrent calls', async (t) => {
      const { users } = await makeEngine(t)
      const calls = Array.from({ length: 20 }, (_, n) => users.createUser('alice', `hash ${n}`))
      const outcomes = await Promise.all(calls)
      t.equal(outcomes.filter((outcome) => outcome === 'created').length, 1)
      t.equal(await users.passwordHash('alice'), `hash ${outcomes.indexOf('created')}`)
    })
  })
}
