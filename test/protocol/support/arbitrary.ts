// Random input of the protocol's tests: ids, texts, bytes and JSON of every kind that apps send.

import fc from 'fast-check'
import { isId } from '../../../protocol/ids.ts'

/** Texts with the characters that have a meaning somewhere: in topics, in JSON, in UTF-8. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom(...'ugmsg/+#$ \0\x01\x7f\ud800\udfff\u2028é😀"\\{}') }),
)

/** Valid ids, of few and of many bytes. */
export const anyId: fc.Arbitrary<string> = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9._:@=~!'()*,;&%-]{1,128}$/).filter(isId),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 32 }).filter(isId),
)

/** Names of members that collide with something: the prototype, the envelope, the payload. */
export const trickyName: fc.Arbitrary<string> = fc.constantFrom(
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'conversation', 'seq', 'from'],
  ...['at', 'to', 'group', 'ID', 'Text', '', '0', 'a"b', 'a\\', '\u2028', '\ud800', 'x\0'],
)

/** Any JSON value. -0 is left out: JSON.stringify writes it as 0. */
export const anyJson: fc.Arbitrary<unknown> = fc
  .jsonValue({ depthSize: 'small', stringUnit: 'binary' })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)

/** An object as JSON.parse makes it: own members only, in the order given. */
export function objectOf(members: readonly (readonly [string, unknown])[]): object {
  const text = members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  return JSON.parse(`{${text.join(',')}}`) as object
}
