// A small group whose members stand at brokers of our choice, without HAProxy: user n at broker
// n modulo the number of brokers. Each has a publisher and a durable device.

import type { Owner } from '../../support/engine-process.ts'
import { until } from '../../support/until.ts'
import type { SeenEntry } from '../checker.ts'
import { type Device, makeDevice } from '../device.ts'
import { makePublisher, type Publisher } from '../publisher.ts'
import type { Person } from './people.ts'
import type { Cluster } from './topology.ts'
import type { Participants } from './verdict.ts'

export interface Member {
  readonly person: Person
  readonly device: Device
  readonly publisher: Publisher
  /** Index of the broker it is connected to. */
  readonly broker: number
}

export interface Team extends Participants {
  readonly members: readonly Member[]
}

export interface TeamOptions {
  readonly users: readonly string[]
  /** Default 8. */
  readonly inFlightMax?: number
  readonly padding?: string
}

const teamTopic = 'g/team/msg'
const teamConversation = 'g:team'

/** Makes the users and the group, and connects everybody. */
export async function gatherTeam(t: Owner, cluster: Cluster, options: TeamOptions): Promise<Team> {
  const { users, inFlightMax = 8, padding = '' } = options
  const ledger = new Map<string, SeenEntry>()
  const people: Person[] = []
  for (const user of users) {
    const token = await cluster.api.token(user)
    const topics = [teamTopic]
    people.push({ user, token, topics, conversations: [teamConversation], exactTopic: undefined })
  }
  await cluster.api.addGroup('team', users)
  const members = await Promise.all(
    people.map(async (person, index): Promise<Member> => {
      const broker = index % cluster.brokers.length
      const port = cluster.brokers[broker]?.mqttPort ?? 0
      const device = makeDevice(t, { ...person, name: 'phone', ledger })
      const client = await device.connect(port)
      await client.subscribe([`u/${person.user}/error`, 'g/+/msg'])
      const publisher = makePublisher(t, { ...person, inFlightMax, padding })
      await publisher.connect(port)
      return { person, device, publisher, broker }
    }),
  )
  return {
    people,
    members,
    exactPublishers: [],
    publishers: members.map((it) => it.publisher),
    devices: members.map((it) => it.device),
  }
}

/** One message of the member; resolves when it is acknowledged, and rejects after `ms`. */
export async function say({ publisher, person }: Member, ms: number): Promise<void> {
  const goal = publisher.acknowledged() + publisher.inFlight() + 1
  publisher.publish(teamTopic)
  await until(`${person.user} is answered`, () => publisher.acknowledged() >= goal, ms)
}

/** Resolves when all of these have so many messages, and rejects after `ms`. */
export async function hear(members: readonly Member[], count: number, ms: number): Promise<void> {
  const has = ({ device }: Member) => {
    const seen = device.stream.connections.flat().map(({ seq }) => seq)
    return new Set(seen).size >= count
  }
  const names = members.map((it) => it.person.user).join()
  await until(`${names} have ${count} messages`, () => members.every(has), ms)
}
