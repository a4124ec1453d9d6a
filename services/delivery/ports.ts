// What the delivery engine needs of a store (devices, their subscriptions and cursors), and, in a
// cluster, of what remembers which broker has a device.

/** What a subscription of MQTT 5 may ask for beside its QoS; absent is false, or none. */
export interface SubscriptionOptions {
  /** Messages that the device itself published do not match [MQTT5-3.8.3-3]. */
  readonly noLocal?: true
  /** Messages keep the RETAIN they were published with [MQTT5-3.3.1-13]. */
  readonly retainAsPublished?: true
  /** 1 to 268,435,455; goes with every message that matches [MQTT5-3.3.4-3]. */
  readonly identifier?: number
}

/** A topic filter a device subscribed to, with the granted QoS: 2 for plain topics only. */
export interface Subscription extends SubscriptionOptions {
  readonly filter: string
  readonly qos: 0 | 1 | 2
}

/** How far a device is in a conversation: `acked` up to where it acknowledged, `sent` up to where
 * it is known to have been sent entries; `acked ≤ sent`. */
export interface Cursor {
  readonly conversation: string
  readonly acked: number
  readonly sent: number
}

/** A durable device as the store knows it. */
export interface StoredDevice {
  /** When its session ends, ms since the epoch, if it has set that itself and is away. */
  readonly endsAt?: number
  /** How long its session lasts without it, ms, if it has said that. */
  readonly expiryMs?: number
  readonly subscriptions: readonly Subscription[]
  readonly cursors: readonly Cursor[]
}

export interface DeviceName {
  readonly user: string
  readonly device: string
}

/** What a device is to be stored with. */
export interface DeviceState extends DeviceName {
  /** How long its session lasts without it, ms, if it has said that. */
  readonly expiryMs?: number | undefined
  readonly subscriptions: readonly Subscription[]
  /** Cursors to set, up or down. */
  readonly cursors?: readonly Cursor[]
  /** Conversations whose cursors are removed. */
  readonly dropped?: readonly string[]
  /** Most devices of its user, itself included, if it is new; any number if absent. */
  readonly devicesMax?: number
}

/** Times, ms since the epoch. */
export interface Expiry {
  readonly lastSeen: number
  readonly end: number
}

export interface CursorUpdate extends Cursor, DeviceName {}

export interface DeviceStore {
  /** The stored device; undefined when it was never seen, or was forgotten. */
  find(user: string, device: string): Promise<StoredDevice | undefined>
  /** Stores the device with exactly these subscriptions and without an end, sets the given cursors
   * and removes those of the `dropped` conversations, in one transaction; other cursors stay. An
   * end is set when the device goes, or, when the server has stopped without telling, when the
   * store is opened again. Resolves with false, and stores nothing, when the device is new and its
   * user has `devicesMax` others. */
  save(device: DeviceState): Promise<boolean>
  /** Removes the device and all its cursors; nothing happens when it is unknown. */
  forget(user: string, device: string): Promise<void>
  /** Notes that these devices were here at a time, ms since the epoch; unknown ones are skipped. */
  saveLastSeen(devices: readonly DeviceName[], at: number): Promise<void>
  /** Notes when the session of a device that has gone ends, ms since the epoch; nothing happens
   * when it is unknown. */
  endAt(device: DeviceName, at: number): Promise<void>
  /** Forgets devices that were last here, or whose session has ended, before a time, `limit` at
   * most. Resolves with their names. */
  expire(before: Expiry, limit: number): Promise<readonly DeviceName[]>
  /** Writes cursors, in one transaction, or, in a cluster, each by itself when none of them breaks
   * the rules. A cursor never moves down; one of a device that is unknown or of a conversation the
   * user has left is skipped. */
  saveCursors(updates: readonly CursorUpdate[]): Promise<void>
}

/** Which broker has which device connected. A claim is `<broker>/<number>/<ms since the epoch>`. It
 * may forget everything at any time, and is asked in vain while it is away. Nothing rejects. */
export interface ClaimStore {
  /** Claims a device, by its key; resolves with the claim that it takes the place of, if that one's
   * broker lives; undefined when it is not known. */
  claim(device: string, claim: string): Promise<string | undefined>
  /** Keeps claims for longer, and restores those that were forgotten; of two the younger one holds.
   * Resolves with the indexes of those in whose place there is another. */
  renew(
    claims: readonly { readonly device: string; readonly claim: string }[],
  ): Promise<readonly number[]>
  /** Removes a claim, if it is the device's. */
  release(device: string, claim: string): void
}
