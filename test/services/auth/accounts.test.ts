// Accounts: who gets a token, and how little a refusal tells.

import t from 'tap'
import { makeAccounts } from '../../../services/auth/accounts.ts'
import { makePasswords } from '../../../services/auth/passwords.ts'
import { makeTokens } from '../../../services/auth/tokens.ts'
import { makeMemoryStore } from '../support/memory-store.ts'
import { refused, testKey } from '../support/refusals.ts'

const password = 'correct horse battery staple'

function setup() {
  const store = makeMemoryStore()
  const tokens = makeTokens({
    keys: [testKey],
    issuer: 'parley',
    audience: 'parley',
    ttlSeconds: 60,
    clock: Date.now,
  })
  return {
    store,
    tokens,
    accounts: makeAccounts({ users: store, tokens, passwords: makePasswords() }),
  }
}

t.test('who registers gets a token, and later another with the password', async (t) => {
  const { accounts, tokens, store } = setup()
  const first = await accounts.register('alice', password)
  t.equal((await tokens.verify(first.token)).user, 'alice')
  const second = await accounts.login('alice', password)
  t.equal((await tokens.verify(second.token)).user, 'alice')
  t.notMatch(await store.passwordHash('alice'), password, 'the password is not stored')
})

t.test('a name is taken once', async (t) => {
  const { accounts } = setup()
  await accounts.register('alice', password)
  await refused(t, accounts.register('alice', 'another password'), 'user-exists')
  await refused(t, accounts.addUser('alice'), 'user-exists')
  await accounts.login('alice', password)
})

t.test('of two who register a name at the same time one gets it', async (t) => {
  const { accounts } = setup()
  const both = await Promise.allSettled([
    accounts.register('alice', 'password of one'),
    accounts.register('alice', 'password of two'),
  ])
  t.strictSame(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  const winner = both[0]?.status === 'fulfilled' ? 'one' : 'two'
  await accounts.login('alice', `password of ${winner}`)
})

t.test('bad ids and passwords are refused and make no user', async (t) => {
  const { accounts, store } = setup()
  for (const user of ['', 'a/b', '+', '#', '$SYS', 'a b', 'a\0', 'x'.repeat(129)]) {
    await refused(t, accounts.register(user, password), 'invalid-request')
  }
  await refused(t, accounts.register('alice', 'short'), 'invalid-request')
  t.equal(await store.userExists('alice'), false)
})

t.test('a wrong password, an unknown user and one without password are told alike', async (t) => {
  const { accounts } = setup()
  await accounts.register('alice', password)
  await accounts.addUser('robot')
  const answers = [
    await refused(t, accounts.login('alice', 'wrong password'), 'invalid-credentials'),
    await refused(t, accounts.login('nobody', password), 'invalid-credentials'),
    await refused(t, accounts.login('robot', password), 'invalid-credentials'),
    await refused(t, accounts.login('a/b', password), 'invalid-credentials'),
  ]
  t.equal(new Set(answers.map(({ message }) => message)).size, 1)
})

t.test('an administrator gets a token for any user there is', async (t) => {
  const { accounts, tokens } = setup()
  await accounts.addUser('robot')
  t.equal((await tokens.verify((await accounts.tokenFor('robot')).token)).user, 'robot')
  await refused(t, accounts.tokenFor('nobody'), 'unknown-user')
  await refused(t, accounts.tokenFor('a/b'), 'unknown-user')
})
