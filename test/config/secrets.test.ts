// A secret does not print itself.

import { format, inspect } from 'node:util'
import t from 'tap'
import { Secret } from '../../config/secrets.ts'

t.test('a secret shows as [secret] wherever it is printed', async (t) => {
  const secret = new Secret('hunter2')
  t.equal(`${secret}`, '[secret]')
  t.equal(JSON.stringify({ secret }), '{"secret":"[secret]"}')
  t.equal(inspect({ secret }, { depth: 9, showHidden: true }), '{ secret: [secret] }')
  t.equal(format('%s %o %j', secret, secret, secret), '[secret] [secret] "[secret]"')
  t.same(Object.values(secret), [])
})

t.test('a secret gives its text to who asks for it', async (t) => {
  t.equal(new Secret('hunter2').reveal(), 'hunter2')
})
