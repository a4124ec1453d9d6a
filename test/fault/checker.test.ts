// The checker must find what the fault tests rely on it to find: each kind of fault is planted once
// into a run that is sound without it.

import t from 'tap'
import { checkRun, countVoids, type DeviceStream, type Run, type SeenEntry } from './checker.ts'

const conversations = ['g:team', 'd:pair']
const perConversation = 6

/** Alternately of alice and bob: a1, b2, a3, … in each conversation. */
function entry(conversation: string, seq: number, change: Partial<SeenEntry> = {}): SeenEntry {
  const from = seq % 2 === 1 ? 'alice' : 'bob'
  const fields = { conversation, seq, from, id: `${from[0]}${seq}`, text: `text ${seq}`, ...change }
  return { ...fields, json: JSON.stringify(fields) }
}

function log(conversation: string): SeenEntry[] {
  return Array.from({ length: perConversation }, (_, index) => entry(conversation, index + 1))
}

function device(name: string, ...connections: SeenEntry[][]): DeviceStream {
  return { device: name, conversations, connections }
}

const everything = (): SeenEntry[] => conversations.flatMap(log)

/** Three devices, of which one was cut off after position 4 and got 3 and 4 again. */
function soundRun(): Run {
  const [team, pair] = conversations.map(log) as [SeenEntry[], SeenEntry[]]
  return {
    publications: ['alice', 'bob'].map((from) => ({
      from,
      messages: everything()
        .filter((sent) => sent.from === from)
        .map((sent) => ({ ...sent, isAcknowledged: true })),
    })),
    devices: [
      device('alice/phone', everything()),
      device('bob/phone', everything()),
      device('bob/tablet', team.slice(0, 4), [...team.slice(2), ...pair]),
    ],
    histories: conversations.map((conversation) => ({ conversation, entries: log(conversation) })),
  }
}

/** The run with other connections of one device. */
function withDevice(name: string, ...connections: SeenEntry[][]): Run {
  const run = soundRun()
  const devices = run.devices.map((it) => (it.device === name ? device(name, ...connections) : it))
  return { ...run, devices }
}

/** The run as if the log itself were this: every device and the history show it. */
function withLog(entries: readonly SeenEntry[]): Run {
  const run = soundRun()
  return {
    ...run,
    devices: run.devices.map((it) => device(it.device, [...entries])),
    histories: conversations.map((conversation) => ({
      conversation,
      entries: entries.filter((it) => it.conversation === conversation),
    })),
  }
}

/** Everything, with the entry at one position of g:team replaced. */
function replaced(seq: number, ...others: SeenEntry[]): SeenEntry[] {
  return everything().flatMap((it) =>
    it.conversation === 'g:team' && it.seq === seq ? others : [it],
  )
}

t.test('a sound run has no problems, redelivery after a reconnect included', async (t) => {
  t.same(checkRun(soundRun()), [])
})

t.test('what was sent and never acknowledged may be missing', async (t) => {
  const run = soundRun()
  const lost = { conversation: 'g:team', id: 'a7', text: 'lost', isAcknowledged: false }
  const publications = run.publications.map((it) =>
    it.from === 'alice' ? { ...it, messages: [...it.messages, lost] } : it,
  )
  t.same(checkRun({ ...run, publications }), [])
})

/** The run with a position that nobody shows. */
function withVoid(): Run {
  const run = soundRun()
  const isThere = (it: SeenEntry) => it.conversation !== 'g:team' || it.seq !== 3
  return {
    mayHaveVoids: true,
    publications: run.publications.map((it) => ({
      ...it,
      messages: it.messages.filter(
        ({ id, conversation }) => id !== 'a3' || conversation !== 'g:team',
      ),
    })),
    devices: run.devices.map((it) =>
      device(it.device, ...it.connections.map((connection) => connection.filter(isThere))),
    ),
    histories: run.histories.map((it) => ({ ...it, entries: it.entries.filter(isThere) })),
  }
}

t.test('a position that nobody shows is fine where there may be voids', async (t) => {
  t.same(checkRun(withVoid()), [])
  t.equal(countVoids(withVoid()), 1)
  t.not(checkRun({ ...withVoid(), mayHaveVoids: false }).length, 0)
})

/** One device comes back, and gets from position 4 of g:team on again. */
function withReturn(flushed: number): Run {
  const run = soundRun()
  const back = device('bob/tablet', everything(), log('g:team').slice(3))
  const known = { ...back, flushed: [new Map(), new Map([['g:team', flushed]])] }
  return { ...run, devices: [...run.devices.slice(0, 2), known] }
}

t.test('what was not flushed may come again', async (t) => {
  t.same(checkRun(withReturn(3)), [])
})

const team = (seq: number, change: Partial<SeenEntry> = {}) => entry('g:team', seq, change)

const faults: readonly { readonly what: string; readonly run: Run; readonly found: RegExp }[] = [
  {
    what: 'an entry dropped from one stream',
    run: withDevice('bob/phone', replaced(3)),
    found: /bob\/phone, connection 1, g:team: gap: seq 4 after 2/,
  },
  {
    what: 'the last entry missing from one stream',
    run: withDevice('bob/phone', replaced(6)),
    found: /bob\/phone lacks seq 6 of g:team/,
  },
  {
    what: 'a member that got nothing of a conversation',
    run: withDevice('bob/phone', log('g:team')),
    found: /bob\/phone lacks seq 1 of d:pair/,
  },
  {
    what: 'a position twice on one connection',
    run: withDevice('bob/phone', replaced(3, team(3), team(3))),
    found: /bob\/phone, connection 1, g:team: seq 3 twice/,
  },
  {
    what: 'two positions swapped on one connection',
    run: withDevice('bob/phone', [team(1), team(3), team(2), ...everything().slice(3)]),
    found: /g:team: disorder: seq 2 after 3/,
  },
  {
    what: 'a gap over a reconnect',
    run: withDevice('bob/phone', log('g:team').slice(0, 2), [
      ...log('g:team').slice(3),
      ...log('d:pair'),
    ]),
    found: /connection 2, g:team: gap: seq 4 after 2/,
  },
  {
    what: 'a redelivery that is another entry',
    run: withDevice('bob/phone', everything(), [team(6, { text: 'other' })]),
    found: /connection 2, g:team: seq 6 came again as another entry/,
  },
  {
    what: 'two members who disagree on a position',
    run: withDevice('bob/phone', replaced(3, team(3, { text: 'other' }))),
    found: /bob\/phone and history disagree on seq 3 of g:team/,
  },
  {
    what: 'a conversation that reaches one who is no member',
    run: withDevice('bob/phone', [...everything(), entry('g:other', 1)]),
    found: /got g:other, of which its user is no member/,
  },
  {
    what: 'an acknowledged message that nobody has',
    run: withLog(everything().filter((it) => it.conversation !== 'g:team' || it.seq < 6)),
    found: /b6 of bob was acknowledged and is not in g:team/,
  },
  {
    what: 'a message under two positions',
    run: withLog([...everything(), team(7, { from: 'bob', id: 'b6', text: 'text 6' })]),
    found: /b6 of bob stands twice in g:team: seq 6 and 7/,
  },
  {
    what: "a publisher's order broken",
    run: withLog(
      everything().map((it) => {
        if (it.conversation !== 'g:team' || it.from !== 'alice' || it.seq > 3) return it
        const other = 4 - it.seq
        return team(it.seq, { id: `a${other}`, text: `text ${other}` })
      }),
    ),
    found: /order of alice in g:team: a3 was sent after a1/,
  },
  {
    what: 'an entry nobody sent',
    run: withLog([...everything(), team(7)]),
    found: /nobody sent what is at seq 7 of g:team/,
  },
  {
    what: 'a text that changed',
    run: withLog(replaced(3, team(3, { text: 'other' }))),
    found: /a3 of alice has another text/,
  },
  {
    what: 'an entry missing from history',
    run: {
      ...soundRun(),
      histories: [{ conversation: 'g:team', entries: log('g:team').slice(0, 5) }],
    },
    found: /history lacks seq 6 of g:team/,
  },
  {
    what: 'what comes again though its acknowledgement was flushed',
    run: withReturn(4),
    found: /bob\/tablet, connection 2, g:team: repeated: seq 4, acknowledged up to 4/,
  },
  {
    what: 'an entry dropped from one stream of a run that may have voids',
    run: { ...withDevice('bob/phone', replaced(3)), mayHaveVoids: true },
    found: /bob\/phone, connection 1, g:team: gap: seq 4 after 2/,
  },
  {
    what: 'an entry missing from history of a run that may have voids',
    run: {
      ...soundRun(),
      mayHaveVoids: true,
      histories: [{ conversation: 'g:team', entries: log('g:team').filter((it) => it.seq !== 3) }],
    },
    found: /history of g:team: seq 4 where 3 belongs/,
  },
  {
    what: 'an acknowledged message at a void',
    run: { ...withVoid(), publications: soundRun().publications },
    found: /a3 of alice was acknowledged and is not in g:team/,
  },
  {
    what: 'two positions swapped in history',
    run: {
      ...soundRun(),
      mayHaveVoids: true,
      histories: [
        { conversation: 'g:team', entries: [team(2), team(1), ...log('g:team').slice(2)] },
      ],
    },
    found: /history of g:team: seq 1 where 3 belongs/,
  },
  {
    what: 'a hole in history',
    run: {
      ...soundRun(),
      histories: [{ conversation: 'g:team', entries: log('g:team').filter((it) => it.seq !== 3) }],
    },
    found: /history of g:team: seq 4 where 3 belongs/,
  },
]

for (const { what, run, found } of faults) {
  t.test(`the checker finds ${what}`, async (t) => {
    const problems = checkRun(run)
    t.ok(
      problems.some((problem) => found.test(problem)),
      problems.join('; ') || 'it found nothing',
    )
  })
}
