// The protocol level that the clients of the tests speak where a test does not name one:
// PARLEY_TEST_LEVEL is 3 (MQTT 3.1), 4 (3.1.1, if absent) or 5. What holds at every level is tested
// at each by running the same files again.

/** A level of the protocol: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0. */
export type Level = 3 | 4 | 5

export const testLevel: Level = levelOf(process.env.PARLEY_TEST_LEVEL ?? '4')

function levelOf(text: string): Level {
  const level = Number(text)
  if (level === 3 || level === 4 || level === 5) return level
  throw new Error(`PARLEY_TEST_LEVEL is 3, 4 or 5, not ${text}`)
}

/** The session of a client that says `clean=false` lasts at every level: at 5 it has to say so. */
export const lasting = testLevel === 5 ? { sessionExpiryInterval: 0xff_ff_ff_ff } : undefined

/** How Mosquitto's clients are told the level; `-x` keeps the session of one that says `-c`. */
export const mosquittoLevel: readonly string[] = ['-V', mosquittoName()]
export const mosquittoLasting: readonly string[] = testLevel === 5 ? ['-x', '4294967295'] : []

function mosquittoName(): string {
  if (testLevel === 3) return 'mqttv31'
  return testLevel === 4 ? 'mqttv311' : 'mqttv5'
}
