// The memory of tokens that were found good.

import t from 'tap'
import { Refusal } from '../../../protocol/errors.ts'
import type { Tokens } from '../../../services/auth/tokens.ts'
import { rememberVerified } from '../../../services/auth/verified-tokens.ts'

function setup() {
  const checked: string[] = []
  let now = 1000
  const tokens: Pick<Tokens, 'verify'> = {
    async verify(token) {
      checked.push(token)
      if (token === 'bad' || now >= 2000) throw new Refusal('invalid-token')
      return { user: token, expiresAt: 2000, topics: { publish: [], subscribe: [] } }
    },
  }
  const { verify } = rememberVerified(tokens as Tokens, () => now)
  const later = (at: number) => {
    now = at
  }
  return { checked, verify, later }
}

t.test('a good token is checked once, each token for itself', async (t) => {
  const { checked, verify } = setup()
  for (const token of ['bob', 'eve', 'bob', 'eve', 'bob']) {
    t.match(await verify(token), { user: token, expiresAt: 2000 })
  }
  t.same(checked, ['bob', 'eve'])
})

t.test('a bad token is checked, and refused, every time', async (t) => {
  const { checked, verify } = setup()
  for (let i = 0; i < 3; i++) await t.rejects(verify('bad'), { code: 'invalid-token' })
  t.equal(checked.length, 3)
})

t.test('a token that has expired meanwhile is refused', async (t) => {
  const { checked, verify, later } = setup()
  await verify('bob')
  later(1999)
  await verify('bob')
  t.equal(checked.length, 1)
  later(2000)
  await t.rejects(verify('bob'), { code: 'invalid-token' })
})
