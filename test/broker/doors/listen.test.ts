// The TCP door: who is let in, who is turned away, and that a taken port is told.

import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import t from 'tap'
import type { Reception, Visitor } from '../../../broker/doors/listen.ts'
import { listenTcp } from '../../../broker/doors/listen.ts'

const anyPort = { host: '127.0.0.1', port: 0 }

async function open(t: Pick<Test, 'teardown'>, reception: Reception): Promise<number> {
  const server = await listenTcp(reception, anyPort)
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  return (server.address() as AddressInfo).port
}

function visit(t: Pick<Test, 'teardown'>, port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  t.teardown(() => void socket.destroy())
  return socket
}

t.test('who is let in is known by its address, and for the log also by its port', async (t) => {
  const visitors: Visitor[] = []
  const knocks: string[] = []
  const port = await open(t, {
    knock: (address) => void knocks.push(address),
    receive(visitor) {
      visitors.push(visitor)
      visitor.socket.destroy()
    },
  })
  const socket = visit(t, port)
  await once(socket, 'connect')
  const { localPort } = socket
  await once(socket, 'close')
  t.same(knocks, ['127.0.0.1'])
  t.match(visitors, [{ address: '127.0.0.1', peer: `127.0.0.1:${localPort}` }])
})

t.test('who is turned away is cut without a word', async (t) => {
  const port = await open(t, {
    knock: () => 'full',
    receive: () => t.fail('nobody is let in'),
  })
  const socket = visit(t, port)
  socket.on('data', () => t.fail('something was said'))
  await once(socket, 'close')
})

t.test('a port that is taken is an error', async (t) => {
  const port = await open(t, { knock: () => 'full', receive: () => {} })
  const reception: Reception = { knock: () => undefined, receive: () => {} }
  await t.rejects(listenTcp(reception, { ...anyPort, port }), { code: 'EADDRINUSE' })
})
