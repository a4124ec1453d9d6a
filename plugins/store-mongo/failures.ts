// What of the driver's errors may pass by itself: everything that says that nobody can be reached,
// or that nobody knows whether it was done. The rest are bugs, and stay what they are.

import { MongoBulkWriteError, MongoError, MongoNetworkError, MongoServerError } from 'mongodb'
import { StoreFailure } from '../../protocol/failure.ts'

/** Server errors that may pass: hosts that cannot be reached, primaries that change or stop, time
 * that ran out, disks that are full, conflicts of transactions. */
const passingCodes: ReadonlySet<unknown> = new Set([
  ...[6, 7, 50, 64, 79, 89, 91, 100, 112, 133, 134, 189, 225, 234, 251, 262, 317, 358],
  ...[9001, 10058, 10107, 11600, 11601, 11602, 13388, 13435, 13436, 14031],
])

const passingNames: ReadonlySet<string> = new Set([
  'MongoServerSelectionError',
  'MongoWriteConcernError',
  'MongoPoolClearedError',
  'MongoPoolClosedError',
  'MongoWaitQueueTimeoutError',
  'MongoNotConnectedError',
  'MongoTopologyClosedError',
  'MongoClientClosedError',
  'MongoOperationTimeoutError',
  'MongoExpiredSessionError',
])

/** Does work of the driver; rejects with `StoreFailure` where the error may pass. */
export async function withFailures<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw asFailure(error)
  }
}

/** The `StoreFailure` for an error that may pass, or the error itself. */
export function asFailure(error: unknown): unknown {
  if (!(error instanceof MongoError)) return error
  return mayPass(withoutBulk(error)) ? new StoreFailure(`MongoDB: ${error.message}`, error) : error
}

/** The error that ended a bulk of writes: where the server said nothing of them, the driver hides
 * its own error, with its name and labels, in one that says of neither. */
export function withoutBulk(error: MongoError): MongoError {
  if (!(error instanceof MongoBulkWriteError)) return error
  const inner: unknown = error.errorResponse
  return inner instanceof MongoError ? inner : error
}

/** Whether the error within an answer of the server may pass. */
export function isPassingCode(code: unknown): boolean {
  return passingCodes.has(code)
}

function mayPass(error: MongoError): boolean {
  // Some that follow from a lost connection are of this class, and have names of their own.
  if (error instanceof MongoNetworkError || passingNames.has(error.name)) return true
  if (error.hasErrorLabel('TransientTransactionError')) return true
  if (error.hasErrorLabel('RetryableWriteError')) return true
  return error instanceof MongoServerError && passingCodes.has(error.code)
}
