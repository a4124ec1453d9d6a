// Which errors of the driver may pass, and which are bugs.

import { MongoInvalidArgumentError, MongoNetworkError, MongoServerError } from 'mongodb'
import t from 'tap'
import { asFailure } from '../../../plugins/store-mongo/failures.ts'
import { StoreFailure } from '../../../protocol/failure.ts'

/** As the driver ends what is under way when it finds a server hanging. */
class Interrupted extends MongoNetworkError {
  override get name(): string {
    return 'PoolClearedOnNetworkError'
  }
}

t.test('a lost connection may pass, whatever the driver calls it', async (t) => {
  for (const error of [new MongoNetworkError('reset'), new Interrupted('interrupted')]) {
    const failure = asFailure(error)
    t.type(failure, StoreFailure)
    t.equal((failure as StoreFailure).cause, error)
  }
})

t.test('what the server says of itself may pass, what it says of us may not', async (t) => {
  const ofServer = (code: number) => new MongoServerError({ message: 'no', code })
  t.type(asFailure(ofServer(10107)), StoreFailure, 'not the primary')
  const badValue = ofServer(2)
  t.equal(asFailure(badValue), badValue)
  const wrong = new MongoInvalidArgumentError('wrong')
  t.equal(asFailure(wrong), wrong)
  const other = new TypeError('a bug')
  t.equal(asFailure(other), other)
})
