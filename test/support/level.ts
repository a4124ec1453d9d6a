// The protocol level that the clients of the tests speak where a test does not name one:
// PARLEY_TEST_LEVEL is 3 (MQTT 3.1), 4 (3.1.1, if absent) or 5. What holds at every level is tested
// at each by running the same files again.

import type { IConnackPacket, ISubackPacket } from 'mqtt-packet'

/** A level of the protocol: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0. */
export type Level = 3 | 4 | 5

export const testLevel: Level = levelOf(process.env.PARLEY_TEST_LEVEL ?? '4')

function levelOf(text: string): Level {
  const level = Number(text)
  if (level === 3 || level === 4 || level === 5) return level
  throw new Error(`PARLEY_TEST_LEVEL is 3, 4 or 5, not ${text}`)
}

/** How a CONNECT names the level. */
export const protocol = {
  protocolId: testLevel === 3 ? 'MQIsdp' : 'MQTT',
  protocolVersion: testLevel,
} as const

/** The session of a client that says `clean=false` lasts at every level: at 5 it has to say so. */
export const lasting = testLevel === 5 ? { sessionExpiryInterval: 0xff_ff_ff_ff } : undefined

/** Where a packet of MQTT 5 has its properties: none. Nothing at the levels before. */
export const noProperties: Uint8Array = Buffer.alloc(testLevel === 5 ? 1 : 0)

/** What a client hears when the server ends its connection: only MQTT 5 has a word for it. */
export const farewell: readonly 'disconnect'[] = testLevel === 5 ? ['disconnect'] : []

/** The return code of 3.1.1 that says what a CONNACK says; a reason code of MQTT 5 that none stands
 * for is returned as it is. */
export function returnCodeOf(connack: IConnackPacket | undefined): number | undefined {
  const { returnCode, reasonCode } = connack ?? {}
  return returnCode ?? returnCodes.get(reasonCode) ?? reasonCode
}

const returnCodes: ReadonlyMap<number | undefined, number> = new Map([
  [0x84, 1],
  [0x85, 2],
  [0x88, 3],
  [0x86, 4],
  [0x87, 5],
])

/** The codes of a SUBACK as 3.1.1 has them: a refusal is 128, and does not say why. */
export function codesOf(suback: ISubackPacket | undefined): number[] {
  return (suback?.granted ?? []).map((code) => Math.min(Number(code), 128))
}

/** Waits for the answer to a publish that the server does not take: MQTT 5 says so in the PUBACK, a
 * client of the levels before hears of a success. Rejects when it is not so. */
export async function isRefused(publish: Promise<unknown>): Promise<void> {
  const wasRejected = await publish.then(
    () => false,
    (error: { readonly code?: number }) => Number(error.code) >= 0x80,
  )
  if (wasRejected !== (testLevel === 5))
    throw new Error('a publish was not answered as a refused one')
}

/** How Mosquitto's clients are told the level; `-x` keeps the session of one that says `-c`. */
export const mosquittoLevel: readonly string[] = ['-V', mosquittoName()]
export const mosquittoLasting: readonly string[] = testLevel === 5 ? ['-x', '4294967295'] : []

function mosquittoName(): string {
  if (testLevel === 3) return 'mqttv31'
  return testLevel === 4 ? 'mqttv311' : 'mqttv5'
}
