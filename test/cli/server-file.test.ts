// server.json: found while the server runs, ignored after a crash, and private.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  connectHost,
  findServer,
  listenUrl,
  removeServerFile,
  writeServerFile,
} from '../../cli/server-file.ts'

const record = { pid: process.pid, http: 'http://127.0.0.1:1', mqtt: undefined, version: '0.1.0' }

t.test('what is written is found, by the owner only, and nothing else is left', async (t) => {
  const folder = t.testdir()
  writeServerFile(folder, record)
  t.same(findServer(folder), record)
  t.equal(statSync(join(folder, 'server.json')).mode & 0o777, 0o600)
  t.same(readdirSync(folder), ['server.json'])
})

t.test('the file of a process that is gone is ignored', async (t) => {
  const folder = t.testdir()
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  writeServerFile(folder, { ...record, pid })
  t.equal(findServer(folder), undefined)
})

t.test('only the process that wrote the file removes it', async (t) => {
  const folder = t.testdir()
  writeServerFile(folder, record)
  removeServerFile(folder, process.pid + 1)
  t.ok(existsSync(join(folder, 'server.json')))
  removeServerFile(folder, process.pid)
  t.notOk(existsSync(join(folder, 'server.json')))
})

t.test('no file, or one that is damaged, is no server', async (t) => {
  const folder = t.testdir()
  t.equal(findServer(folder), undefined)
  for (const text of ['', '{', 'null', '[]', '{"pid":"1"}', '{"pid":-1}', '{"pid":0}']) {
    writeFileSync(join(folder, 'server.json'), text)
    t.equal(findServer(folder), undefined, JSON.stringify(text))
  }
})

t.test('URLs name the host in a form that can be connected to', async (t) => {
  t.equal(listenUrl('mqtt', { host: '::1', port: 1 }), 'mqtt://[::1]:1')
  t.equal(listenUrl('http', { host: 'localhost', port: 2 }), 'http://localhost:2')
  t.equal(connectHost('0.0.0.0'), '127.0.0.1')
  t.equal(connectHost('::'), '::1')
  t.equal(connectHost('10.0.0.1'), '10.0.0.1')
})
