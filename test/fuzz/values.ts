// The fields of random packets: strings, bytes and packet ids that MQTT allows, chosen to be small,
// large, and odd.

import fc from 'fast-check'

/** A string as MQTT allows it: UTF-8 of up to 65,535 bytes, no NUL, no surrogates
 * [MQTT-1.5.4-1, MQTT-1.5.4-2]. */
export const anyString: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 12 }) },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).map(withoutForbidden) },
  { weight: 1, arbitrary: fc.nat(4000).map((length) => 'é'.repeat(length)) },
)

/** Leaves out what MQTT forbids or wants avoided: NUL, other control characters, non-characters. */
function withoutForbidden(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/gu, '')
}

/** Bytes of any kind, rarely many. */
export const anyBytes: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.nat(5000).map((length) => Buffer.alloc(length, 0xa5)) },
)

/** Few ids, so that packets meet; sometimes any. */
export const packetId: fc.Arbitrary<number> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 8 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 65_535 }) },
)

/** A part of a whole, from 0 to below 1. Not `fc.double`, most of whose values are next to 0. */
export const part: fc.Arbitrary<number> = fc.nat(9999).map((it) => it / 10_000)
