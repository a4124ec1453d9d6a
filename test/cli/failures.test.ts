// From errors to the line the user reads.

import t from 'tap'
import { CommandFailure, describeFailure } from '../../cli/failures.ts'
import { SettingsError } from '../../config/load.ts'
import { Refusal } from '../../protocol/errors.ts'
import { StoreFailure } from '../../protocol/failure.ts'

function systemError(members: object): Error {
  return Object.assign(new Error('it failed'), members)
}

t.test('what is expected to go wrong is one line without a stack trace', async (t) => {
  const listen = { syscall: 'listen', address: '127.0.0.1', port: 1883 }
  const folderInUse = Object.assign(new Error('the folder is in use'), { name: 'FolderInUse' })
  const expected: readonly (readonly [Error, RegExp])[] = [
    [new Refusal('user-exists'), /^A user of this name exists already\.$/],
    [new SettingsError(['a', 'b']), /: a; b$/],
    [folderInUse, /^the folder is in use: .*--data$/],
    [new CommandFailure('first\n  second'), /^first second$/],
    [new StoreFailure('database is locked'), /^the store cannot be used: database is locked$/],
    [systemError({ ...listen, code: 'EADDRINUSE' }), /^127\.0\.0\.1:1883 is in use: .*--mqtt-port/],
    [systemError({ ...listen, code: 'EACCES' }), /choose a port above 1023$/],
    [systemError({ ...listen, code: 'EADDRNOTAVAIL' }), /choose another with --host$/],
    [systemError({ syscall: 'getaddrinfo', code: 'ENOTFOUND', hostname: 'x' }), /^x is not/],
    [systemError({ code: 'EACCES', path: '/x' }), /^cannot use \/x: permission denied; .*--data$/],
    [systemError({ code: 'ENOSPC', path: '/x' }), /disk is full/],
    [new StoreFailure('no', systemError({ code: 'EROFS', path: '/x' })), /read-only/],
  ]
  for (const [error, text] of expected) {
    const report = describeFailure(error)
    t.match(report, { text, exitCode: 1 })
    t.notMatch(report.text, '\n')
  }
})

t.test('what nobody expected is told as a bug, with its stack trace', async (t) => {
  t.match(describeFailure(new TypeError('x is not a function')), {
    text: /^this is a bug.*TypeError: x is not a function\n +at /,
    exitCode: 1,
  })
  t.match(describeFailure('thrown text'), { text: /thrown text$/, exitCode: 1 })
})
