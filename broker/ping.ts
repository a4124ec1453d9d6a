// PINGREQ: answered at once [MQTT-3.12.4-1].

import type { Connection } from './connection.ts'
import { demandEmpty } from './edge/client-packets.ts'
import type { Frame } from './edge/framer.ts'
import { pingresp } from './edge/packets.ts'

/** Takes a PINGREQ. */
export function handlePingreq(connection: Connection, frame: Frame): void {
  demandEmpty(frame)
  connection.write(pingresp)
}
