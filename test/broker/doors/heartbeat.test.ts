// Silence, pings, and who is cut.

import { PassThrough } from 'node:stream'
import t from 'tap'
import { makeHeartbeat } from '../../../broker/doors/heartbeat.ts'
import { until } from '../../support/until.ts'

const pingMs = 40

class Peer extends PassThrough {
  pings = 0
  heard = 0
  held = false
  /** What it does when it is pinged. */
  answers = () => {}

  ping() {
    this.pings++
    this.answers()
  }

  heardBytes() {
    return this.heard
  }

  isHeld() {
    return this.held
  }
}

t.test('who is silent is pinged once, and then cut; who answers or speaks is not', async (t) => {
  const heartbeat = makeHeartbeat(pingMs)
  t.teardown(() => heartbeat.close())
  const [dead, alive, talkative, held] = [new Peer(), new Peer(), new Peer(), new Peer()]
  alive.answers = () => {
    alive.heard += 2
  }
  held.held = true
  const talk = setInterval(() => talkative.heard++, pingMs / 8)
  t.teardown(() => clearInterval(talk))
  for (const peer of [dead, alive, talkative, held]) heartbeat.watch(peer)
  await until('the dead one is cut', () => dead.destroyed)
  t.equal(dead.pings, 1)
  await until('the other one was pinged often', () => alive.pings > 3)
  t.notOk(alive.destroyed)
  t.notOk(talkative.destroyed)
  t.equal(held.pings, 0, 'who is not listened to cannot be heard')
  held.held = false
  await until('it is found, later', () => held.destroyed)
})
