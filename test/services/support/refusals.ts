// An assertion that tests of several services share: this was refused, with that code.

import type { Test } from 'tap'
import { type ErrorCode, Refusal } from '../../../protocol/errors.ts'

/** Asserts that the promise rejects with a Refusal of the code, and returns the refusal. */
export async function refused(
  t: Test,
  promise: Promise<unknown>,
  code: ErrorCode,
): Promise<Refusal> {
  const error = await promise.then(
    (value) => new Error(`was not refused, but resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (!(error instanceof Refusal)) throw error
  t.equal(error.code, code)
  return error
}

/** A signing key made for tests; worth nothing. */
export const testKey = {
  kty: 'OKP',
  crv: 'Ed25519',
  alg: 'EdDSA',
  kid: 'test',
  // RFC 8037, appendix A.1.
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
} as const
