// Finds peers that are gone without a word, by pings after a silence: one timer for all. What was
// heard is read from counters, so that nothing is done for each packet.

import type { Duplex } from 'node:stream'

/** A stream whose peer answers pings. */
interface Pinged extends Duplex {
  ping(): void
  /** Grows with everything that the peer sends, answers to pings included. */
  heardBytes(): number
  /** Whether the peer is not listened to now: it cannot be heard then. */
  isHeld(): boolean
}

export interface Heartbeat {
  /** Watches a stream until it is closed. */
  watch(stream: Pinged): void
  close(): void
}

/** Pulses that make up the time of a silence. */
const pulsesOfSilence = 2

/** Makes a heartbeat that pings who was silent for `pingMs` (up to half as long again), and cuts
 * who then says nothing for as long. */
export function makeHeartbeat(pingMs: number): Heartbeat {
  const watched = new Map<Pinged, { heard: number; silentPulses: number }>()
  const timer = setInterval(() => {
    for (const [stream, pulse] of watched) {
      const heard = stream.heardBytes()
      const isSilent = heard === pulse.heard && !stream.isHeld()
      pulse.heard = heard
      pulse.silentPulses = isSilent ? pulse.silentPulses + 1 : 0
      if (pulse.silentPulses === pulsesOfSilence) stream.ping()
      else if (pulse.silentPulses === pulsesOfSilence * 2) stream.destroy()
    }
  }, pingMs / pulsesOfSilence)
  timer.unref()
  return {
    watch(stream) {
      watched.set(stream, { heard: stream.heardBytes(), silentPulses: 0 })
      stream.once('close', () => watched.delete(stream))
    },
    close: () => clearInterval(timer),
  }
}
