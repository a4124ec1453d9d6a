// A bulk of writes that loses its connection says so within an error that does not: it may pass all
// the same.

import { MongoBulkWriteError, MongoClientClosedError, MongoNetworkError } from 'mongodb'
import t from 'tap'
import { asFailure, withoutBulk } from '../../../plugins/store-mongo/failures.ts'
import { StoreFailure } from '../../../protocol/failure.ts'

type Result = ConstructorParameters<typeof MongoBulkWriteError>[1]

/** As the driver makes it when a bulk is cut off. */
function bulkError(error: ConstructorParameters<typeof MongoBulkWriteError>[0]) {
  return new MongoBulkWriteError(error, {} as Result)
}

t.test('a bulk that loses its connection may be tried again', async (t) => {
  const lost = new MongoNetworkError('connection 37 closed')
  lost.addErrorLabel('TransientTransactionError')
  const error = bulkError(lost as unknown as Parameters<typeof bulkError>[0])
  t.equal(withoutBulk(error), lost)
  t.type(asFailure(error), StoreFailure)
})

t.test('a bulk that is refused is a bug', async (t) => {
  const error = bulkError({ message: 'no', code: 121 })
  t.equal(asFailure(error), error)
})

t.test('a client that is closed under work is no bug', async (t) => {
  t.type(asFailure(new MongoClientClosedError()), StoreFailure)
})
