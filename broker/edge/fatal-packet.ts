// A packet that ends its connection.

/** The packet breaks MQTT, or a bound: the connection is closed [MQTT-4.8.0-1]. The message says
 * why, for the log; a 3.1.1 client cannot be told. */
export class FatalPacket extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'FatalPacket'
  }
}
