// Grants of plain topics: those of the token, and those of the configuration.

import t from 'tap'
import { noGrants } from '../../../protocol/grants.ts'
import { makePlainAccess } from '../../../services/access/plain-topics.ts'

t.test('without a grant nothing is allowed', async (t) => {
  const access = makePlainAccess([])
  t.equal(access.mayPublish(noGrants, 't/a'), false)
  t.equal(access.maySubscribe(noGrants, 't/a'), false)
})

t.test('publishing and subscribing are granted apart', async (t) => {
  const access = makePlainAccess(['t/open/+'])
  const grants = { publish: ['t/out/#'], subscribe: ['t/in/+'] }
  t.equal(access.mayPublish(grants, 't/out/a'), true)
  t.equal(access.maySubscribe(grants, 't/out/a'), false)
  t.equal(access.mayPublish(grants, 't/in/a'), false)
  t.equal(access.maySubscribe(grants, 't/in/+'), true)
  t.equal(access.maySubscribe(grants, 't/in/#'), false, 'more than was granted')
  t.equal(access.mayPublish(noGrants, 't/open/a'), true)
  t.equal(access.maySubscribe(noGrants, 't/open/+'), true)
  t.equal(access.maySubscribe(noGrants, 't/open/#'), false)
})
