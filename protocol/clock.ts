// The clock's interface. Time is passed in, never read from the side, so that a simulator can own
// it.

/** Milliseconds since the Unix epoch, as `Date.now()` returns them. */
export type Clock = () => number

/** The machine's own clock. */
export const systemClock: Clock = () => Date.now()
