// PINGREQ: answered at once [MQTT-3.12.4-1].

import type { Connection } from './connection.ts'
import type { Frame } from './edge/framer.ts'
import { demandEmpty, pingresp } from './edge/packets.ts'

/** Takes a PINGREQ. */
export function handlePingreq(connection: Connection, frame: Frame): void {
  demandEmpty(frame)
  connection.write(pingresp)
}
