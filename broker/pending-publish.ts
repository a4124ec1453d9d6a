// A publish on its way through the log, and the order of the answers of a connection: publishes to
// different conversations may be stored in another order than they came, and PUBACK and PUBREC come
// in the order of the PUBLISHes all the same [MQTT-4.6.0-2, MQTT-4.6.0-3].

import type { MessageBody } from '../protocol/entry.ts'
import type { AppendRequest } from '../services/log/log.ts'
import type { AppendResult, DevicePacket } from '../services/log/ports.ts'
import type { Head } from './answer.ts'
import { acknowledge } from './answer.ts'
import { settleRecord } from './at-least-once.ts'
import type { Connection } from './connection.ts'

/** One message of so many is timed. */
const timedEvery = 16

/** A publish on its way through the log. */
export class PendingPublish implements AppendRequest {
  readonly conversation: string
  readonly from: string
  readonly body: MessageBody
  readonly packet: DevicePacket | undefined
  readonly mayBeStored: boolean | undefined
  /** What became of it; undefined until then. */
  result: AppendResult | undefined
  /** The publish of the same connection that came after it. */
  next: PendingPublish | undefined
  readonly #connection: Connection
  readonly #head: Head
  readonly #record: number
  /** When it was made; of one message in many, because the clock costs 0.06 µs each time. */
  readonly #timedFrom: number | undefined

  constructor(
    connection: Connection,
    head: Head & { readonly record: number },
    message: Pick<AppendRequest, 'conversation' | 'from' | 'body' | 'packet' | 'mayBeStored'>,
  ) {
    this.#connection = connection
    this.#head = head
    this.#record = head.record
    const { counts, clock } = connection.context
    this.#timedFrom = counts.chatReceived % timedEvery === 1 ? clock() : undefined
    this.conversation = message.conversation
    this.from = message.from
    this.body = message.body
    this.packet = message.packet
    this.mayBeStored = message.mayBeStored
  }

  isAbandoned(): boolean {
    return this.#connection.hasFailed
  }

  settled(result: AppendResult): void {
    const connection = this.#connection
    this.result = result
    connection.context.counts.appends[result.kind]++
    if (result.kind === 'failed') connection.fail('the message could not be stored')
    // Before it is announced.
    else if (connection.level === 5) this.#hide(result.seq)
    connection.publishes.answer()
  }

  /** Answers it, when those before it are answered. */
  answer(result: AppendResult): void {
    const connection = this.#connection
    const { counts, clock } = connection.context
    const isStored = result.kind !== 'failed'
    if (isStored) acknowledge(connection, this.#head)
    if (isStored && this.#timedFrom !== undefined) {
      counts.publishMs.observe(Math.max(0, clock() - this.#timedFrom))
    }
    settleRecord(connection, this.#record, isStored)
    connection.settledOne()
  }

  /** Its session may want none of its own. */
  #hide(seq: number): void {
    const { session, context } = this.#connection
    const room = context.engine.room(this.conversation)
    if (room !== undefined) session?.published(room, seq)
  }
}

/** The publishes of a connection that are not answered, oldest first. */
export class PublishLine {
  #oldest: PendingPublish | undefined
  #newest: PendingPublish | undefined

  join(publish: PendingPublish): void {
    if (this.#oldest === undefined) this.#oldest = publish
    else if (this.#newest !== undefined) this.#newest.next = publish
    this.#newest = publish
  }

  /** Answers those at the front whose results are there. */
  answer(): void {
    for (let first = this.#oldest; first?.result !== undefined; first = this.#oldest) {
      this.#oldest = first.next
      first.answer(first.result)
    }
  }
}
