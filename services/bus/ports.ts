// What brokers need to hear of each other. Whatever travels here is a hint: it may be lost, late,
// repeated or out of order, and nothing depends on its arrival.

/** Hears what another broker emitted. Must not throw. */
export type Hear = (channel: string, text: string) => void

export interface Bus {
  /** Sets who hears of what comes in; before that it is dropped. */
  onText(hear: Hear): void
  /** Listens to a channel. Resolves when everything that is emitted from then on will come, or when
   * the bus is down: then `onUp` follows. Never rejects. */
  listen(channel: string): Promise<void>
  unlisten(channel: string): void
  /** Sends a text to the others who listen, never to oneself. Never waits; dropped when the bus is
   * down or does not keep up. */
  emit(channel: string, text: string): void
  /** False while something may be missed, or is not heard by the others. */
  isUp(): boolean
  /** Calls back each time the bus is up again: what was emitted meanwhile is lost. */
  onUp(callback: () => void): void
  /** How many texts were sent, were dropped, and came from others. */
  counts(): { readonly emitted: number; readonly dropped: number; readonly received: number }
  close(): Promise<void>
}
