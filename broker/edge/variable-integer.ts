// Variable byte integers, as they are written.

/** The bytes of a number from 0 to 268,435,455 [MQTT-2.2.3, MQTT5-1.5.5-1]. */
export function variableInteger(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7) {
    if (rest < 0x80) return [...bytes, rest]
    bytes.push((rest & 0x7f) | 0x80)
  }
}
